"""Having a stranger's package be found, and never imported into this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from mmedit_bench.submissions.package import EditorPackage, visible


class _Refusing(Loader):
    """Loads nothing."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        raise ImportError(
            f"{spec.name} belongs to a submission: it is for the editor's process", name=spec.name
        )

    def exec_module(self, module: ModuleType) -> None:
        """Never reached: there is no module."""


class _Barred(MetaPathFinder):
    """Finds what only some folders have, and has it not be loaded.

    The process of the editor takes this one's path, so the folders have to be on it, and their files
    may be looked at; a library that tries whether an optional module is there must not load a
    stranger's of that name.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = {str(folder.resolve()) for folder in folders}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:  # of a package that was let in
            return None
        others = [place for place in sys.path if str(Path(place).resolve()) not in self._folders]
        if PathFinder.find_spec(fullname, others, target) is not None:
            return None
        found = PathFinder.find_spec(fullname, sorted(self._folders), target)
        if found is not None:
            found.loader = _Refusing()
        return found


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
