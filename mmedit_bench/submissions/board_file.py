"""board.yaml: what a board is called, and the lock of whoever adds to the board."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mmedit_bench.errors import BadRecord, naming
from mmedit_bench.runs.files import make_folder, read_regular, write_whole
from mmedit_bench.submissions.limits import MOST_FORM

FILE = "board.yaml"

_NEW: Mapping[str, Any] = {
    "title": "mmedit-bench", "url": None, "description": "", "release": None,
}  # fmt: skip


def begun(board: Path) -> bool:
    """Whether a board has this file. One without a byte is what a process left that was about to write it."""
    path = board / FILE
    return os.path.lexists(path) and path.lstat().st_size > 0


def board_values(path: Path) -> dict[str, Any]:
    """What the file says, the title at least. Raises `BadRecord` naming the file and the field at fault."""
    try:
        values = yaml.safe_load(read_regular(path, MOST_FORM))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadRecord(f"{path} is not YAML ({' '.join(str(error).split())[:200]}); mend it") from None
    if not isinstance(values, dict) or not isinstance(values.get("title"), str):
        raise BadRecord(f"{path}: field 'title' is missing; give the board's name")
    url = values.get("url")
    if url is not None and not (isinstance(url, str) and url.startswith("https://")):
        raise BadRecord(f"{path}: field 'url' is no https address; give one or null")
    if not isinstance(values.get("release") or {}, dict):
        raise BadRecord(f"{path}: field 'release' is no mapping; give name and date")
    if not isinstance(values.get("description") or "", str):
        raise BadRecord(f"{path}: field 'description' is no text")
    return values


@contextmanager
def alone(board: Path) -> Iterator[None]:
    """Hold the lock of a board, and make the board if it is not there.

    Another process that holds it is waited for: it does so for seconds, and what waits may be the work
    of hours. The lock is advisory and ends with the process. It is on board.yaml itself: a board's
    folder is kept in a repository, where a file for the lock alone would be one more to leave out.
    Raises `Unusable` naming that file where it cannot be had.
    """
    make_folder(board)
    path = board / FILE
    while True:
        with naming(path):  # for writing: some file systems lock nothing that is only read
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            with naming(path):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                held = os.fstat(descriptor)
                there = path.exists() and os.path.samestat(held, path.lstat())
            if there and held.st_size:
                yield
                return
            if there:  # this process has made it, or one that was killed; what is written is another file
                write_whole(path, yaml.safe_dump(dict(_NEW), sort_keys=False).encode())
        finally:
            os.close(descriptor)
