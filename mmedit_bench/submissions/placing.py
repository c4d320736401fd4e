"""A folder put in the place of another: whatever fails on the way, one of the two stands there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from mmedit_bench.errors import Unusable
from mmedit_bench.runs.files import sync_folder


def refuse_unwritable(folder: Path) -> None:
    """Raise `Unusable` where this folder can neither be made nor written to, and make nothing."""
    nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    code = None if nearest.is_dir() else errno.ENOTDIR
    if code is None and not os.access(nearest, os.W_OK | os.X_OK):
        code = errno.EACCES
    if code is not None:
        raise Unusable(nearest, OSError(code, os.strerror(code)))


def put_in_place(made: Path, place: Path) -> None:
    """Move the folder `made` to `place` and remove what stood there before.

    A folder cannot be moved onto another, so the old one is moved aside first. It is moved back when an
    error or an interruption comes before the new one stands; where even that fails, it is kept aside.
    """
    aside = Path(tempfile.mkdtemp(prefix=f".{place.name}-old-", dir=place.parent))
    old = aside / place.name
    try:
        if place.exists():
            place.replace(old)
        made.replace(place)
        sync_folder(place.parent)
    except BaseException:
        if old.exists() and not place.exists():
            old.replace(place)
        raise
    finally:
        if place.exists() or not old.exists():
            shutil.rmtree(aside, ignore_errors=True)
