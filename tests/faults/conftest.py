"""The program with parts that cost nothing, and ways in which a system refuses."""

from __future__ import annotations

import errno
import io
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import FastPath
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Call, program

ENTRY_POINTS = """
[mmedit_bench.editors]
plain = tests.faults.parts:Plain
pupil = tests.faults.parts:Pupil
[mmedit_bench.backbones]
fake = tests.faults.parts:backbone
[mmedit_bench.suites]
fakes = tests.faults.parts:Suite
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The program with these parts."""
    return program(tmp_path, monkeypatch, "fakes", ENTRY_POINTS)


@contextmanager
def refusing(number: int, *below: str, reading: bool = False) -> Iterator[None]:
    """Have the system refuse whatever would write below these paths (or read there) with an errno.

    Permission bits do not bind root, so the calls themselves are replaced, as low as Python goes.
    """
    roots = [os.path.abspath(path) for path in below]  # noqa: PTH100 (links are not followed)

    def checked(path: Any) -> None:
        if isinstance(path, int):
            return
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        if any(full == root or full.startswith(f"{root}/") for root in roots):
            raise OSError(number, os.strerror(number), os.fsdecode(path))

    def guarded(real: Callable[..., Any], paths: int = 1) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            for path in args[:paths]:
                checked(path)
            return real(*args, **more)

        return call

    def opening(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, mode: Any = "r", *args: Any, **more: Any) -> Any:
            writes = any(sign in mode for sign in "wax+") if isinstance(mode, str) else mode & _WRITES
            if reading or writes:
                checked(path)
            return real(path, mode, *args, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        plain = opening(io.open)
        patch.setattr(io, "open", plain)
        patch.setattr("builtins.open", plain)
        patch.setattr(os, "open", opening(os.open))
        if reading:
            patch.setattr(os, "scandir", guarded(os.scandir))
            patch.setattr(os, "listdir", guarded(os.listdir))
        else:
            for name in ("mkdir", "truncate", "unlink", "rmdir"):
                patch.setattr(os, name, guarded(getattr(os, name)))
            for name in ("replace", "rename"):
                patch.setattr(os, name, guarded(getattr(os, name), 2))
        yield


_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: a short write first, then a refusal, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def few_descriptors(spare: int) -> Iterator[None]:
    """No more than `spare` files can be opened beside those that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as next_one:  # noqa: PTH123
        free = next_one.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        FastPath.__new__.cache_clear()  # of folders that could not be listed meanwhile


@contextmanager
def failing(name: str, number: int) -> Iterator[None]:
    """A call of `os` that fails wherever it is made, as `fsync` does when a disk breaks."""

    def fails(*args: Any, **more: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, fails)
        yield


Fault = Callable[[], AbstractContextManager[None]]

WRITING: dict[str, Callable[..., AbstractContextManager[None]]] = {
    "read-only": lambda *below: refusing(errno.EROFS, *below),
    "denied": lambda *below: refusing(errno.EACCES, *below),
    "over quota": lambda *below: refusing(errno.EDQUOT, *below),
    "full": lambda *below: full_after(0),
    "nearly full": lambda *below: full_after(300),
    "broken disk": lambda *below: failing("fsync", errno.EIO),
    "full at sync": lambda *below: failing("fsync", errno.ENOSPC),
    "no descriptors": lambda *below: few_descriptors(0),
}
"""Ways in which writing below some paths is refused."""
READING: dict[str, Callable[..., AbstractContextManager[None]]] = {
    "unreadable": lambda *below: refusing(errno.EACCES, *below, reading=True),
    "unreadable disk": lambda *below: refusing(errno.EIO, *below, reading=True),
}
"""Ways in which reading there is refused."""
