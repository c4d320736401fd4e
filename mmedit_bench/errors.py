"""Errors a user can mend: each message names the file or field at fault and the fix.

The command line prints them without a traceback and exits with their status; anything that is not a
`BenchError`, nor refused by the system, is a defect of the program and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class BenchError(Exception):
    """Base of all errors whose message is written for the user."""

    status: ClassVar[int] = 2
    """Exit status of a command that ends with it."""


class UnknownName(BenchError):
    """A name that no registered plugin carries."""


class Collision(BenchError):
    """Two distributions register the same name."""


class BadData(BenchError):
    """A data file or case that breaks its contract."""


class BadRecord(BenchError):
    """A run folder whose files contradict each other or cannot be read."""


class WeightsChanged(BenchError):
    """The base weights of a backbone differ from what they were before an edit."""


class NotSavable(BenchError):
    """An intervention that holds code, which no data file can carry."""


class FailedFast(BenchError):
    """An edit failed in a run that was told to end at the first one."""

    status = 3


class Unusable(BenchError):
    """A file or folder that the system refuses; `errno` is its reason, None where it gave none."""

    def __init__(self, path: object, error: OSError) -> None:
        self.errno = error.errno
        super().__init__(refusal(error, path))


_FULL = "make room there and give the same command again; what was recorded is kept"
_NO_FOLDER = "a file or a broken link stands where a folder is needed; remove it or name another place"
_FIXES = {
    errno.EROFS: "its file system is read-only; name another place",
    errno.EACCES: "change its permissions or name another place",
    errno.EPERM: "change its permissions or name another place",
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit of a file's size (ulimit -f) or name another place",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.EISDIR: "a folder stands where a file is needed; remove it or name another place",
    errno.ELOOP: "its links lead nowhere; remove them or name another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine; close some programs",
    errno.ENOMEM: "memory is short; close some programs",
    errno.EIO: "the disk or the way to it fails; check it, then give the same command again",
    errno.ENOLCK: "its file system knows no locks; name a place on a local disk",
    errno.EOPNOTSUPP: "its file system lacks what this takes; name a place on a local disk",
}


def refusal(error: OSError, path: object = None) -> str:
    """What the system refused and what to do about it, in a line; `path` where the error names none."""
    place = path if path is not None else error.filename
    said = error.strerror or str(error) or type(error).__name__
    fix = _FIXES.get(error.errno or 0, "mend it and give the same command again")
    return (
        f"{os.fsdecode(place)}: {said}; {fix}"
        if isinstance(place, str | bytes | os.PathLike)
        else (f"{type(error).__name__}: {said}; {fix}")
    )


@contextmanager
def naming(path: os.PathLike[str] | str) -> Iterator[None]:
    """Have whatever the system refuses in this block be an `Unusable` that names `path`."""
    try:
        yield
    except OSError as error:
        raise Unusable(path, error) from error


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the machine or of an accelerator; told without importing torch."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"MemoryError", "OutOfMemoryError"}:
        return True
    return "RuntimeError" in kinds and any(words in str(error) for words in _NO_MEMORY)


_NO_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "CUDA out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""How torch's allocators say it where they raise a plain `RuntimeError`."""
