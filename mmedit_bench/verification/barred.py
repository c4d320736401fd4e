"""Having a stranger's package be found, and never imported into this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from mmedit_bench.submissions.package import EditorPackage, visible


class _Barred(MetaPathFinder):
    """Finds top-level modules everywhere but in some folders.

    The process of the editor takes this one's path, so the folders have to be on it; a library that
    tries whether an optional module is there must not load a stranger's of that name.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = {str(folder.resolve()) for folder in folders}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:  # of a package that was let in
            return None
        others = [place for place in sys.path if str(Path(place).resolve()) not in self._folders]
        if PathFinder.find_spec(fullname, others, target) is None and any(
            PathFinder.find_spec(fullname, [folder], target) for folder in self._folders
        ):
            raise ModuleNotFoundError(f"{fullname} belongs to a submission", name=fullname)
        return None


@contextmanager
def offered(package: EditorPackage, metadata: Path) -> Iterator[None]:
    """Have the package's editor be known by name in this block; its code is for another process."""
    root = package.root
    assert root is not None
    guard = _Barred([root])
    sys.meta_path.insert(0, guard)
    try:
        with visible(package, metadata, last=True):
            yield
    finally:
        sys.meta_path.remove(guard)
