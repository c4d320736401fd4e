"""Reading files that a stranger may have made, and writing files whole or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord, naming

MOST_BYTES = 1 << 30
"""Largest records file that is read."""
MOST_SMALL = 16 << 20
"""Largest manifest, score or baseline line that is read."""


def read_regular(path: Path, most: int = MOST_SMALL) -> bytes:
    """The bytes of a regular file of at most `most` bytes; no link is followed, no pipe waited for.

    Raises `BadRecord` naming the file and what it is instead; `FileNotFoundError` if there is none.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        what = "a symbolic link" if path.is_symlink() else f"not readable ({error.strerror})"
        raise BadRecord(f"{path} is {what}; a run consists of regular files") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise BadRecord(f"{path} is not a regular file; a run consists of regular files")
    with os.fdopen(descriptor, "rb") as file:
        if found.st_size > most:
            raise BadRecord(f"{path} has {found.st_size} bytes; at most {most} are read")
        return file.read(most)


def parsed(text: str | bytes) -> Any:
    """JSON without NaN, without infinities and without a key that stands twice. Raises `BadRecord`.

    Half a surrogate pair, which JSON can spell and no file can hold as text, is refused as well.
    """
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]
            json.dumps(value, ensure_ascii=False).encode()
    except BadRecord:
        raise
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"not JSON: {error}") from None
    return value


def finite(value: object) -> bool:
    """Whether a JSON value is a number that a float can hold; true and false are none."""
    try:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # an integer may have any number of digits
        return False


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` under a random name of its own and move it into place; it is on disk on return.

    A name that could be foretold could be a link that someone else has laid there. Raises `Unusable`
    naming `path`, and leaves what was there, if it cannot be written.
    """
    with naming(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".new", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names of new files on disk as well as their bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that does not sync folders
            raise
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises `Unusable` naming it."""
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)


def append_all(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Add bytes to the end of a file, in one write; with `sync` they are on disk on return.

    Raises `Unusable` naming it; where only a part of them found room, that part is taken back.
    """
    with naming(path), path.open("ab", buffering=0) as file:
        begun = os.fstat(file.fileno()).st_size
        left = memoryview(data)
        try:
            while left:  # a raw write may be short, for instance on a full disk
                left = left[os.write(file.fileno(), left) :]
            if sync:
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                os.ftruncate(file.fileno(), begun)
            raise


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRecord(f"the field {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise BadRecord(f"{name} is no JSON number")
