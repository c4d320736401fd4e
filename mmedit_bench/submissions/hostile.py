"""Reading a folder that a stranger made, and who may want more than to be read.

Every file is read once, whole, through one door: regular files of bounded size alone, under names
that mean the same everywhere. No link is followed, no pipe waited for, nothing unpacked and nothing
executed. What is found wrong is listed, and what could be read is at hand all the same.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmedit_bench.errors import BadRecord, naming
from mmedit_bench.runs.files import read_regular
from mmedit_bench.submissions.limits import MOST_BYTES, MOST_DEPTH, MOST_FILE, MOST_FILES, MOST_PATH
from mmedit_bench.submissions.problems import Problem
from mmedit_bench.submissions.tensor_file import notes_of

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", re.ASCII)
"""Of a file or folder: no path in disguise, no option of a command, nothing hidden."""
_TEXTS = frozenset({".json", ".jsonl", ".yaml", ".yml", ".txt", ".md", ".toml", ".py", ".pyi", ".cfg"})
_BARE = frozenset({"LICENSE", "LICENCE", "NOTICE", "COPYING", "README", "py.typed"})
"""Texts whatever they end with."""
_TENSORS = ".safetensors"

_PICKLES = frozenset(
    {".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".npy", ".npz", ".joblib", ".dill", ".sav", ".mar"}
)
_ARCHIVES = frozenset(
    {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".whl", ".egg", ".jar"}
)
_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    *((0, bytes((0x80, protocol)), "pickle", "a pickle") for protocol in range(2, 6)),
    (0, b"PK\x03\x04", "archive", "a zip archive (as saved by torch, say)"),
    (0, b"PK\x05\x06", "archive", "a zip archive"),
    (0, b"\x1f\x8b", "archive", "a gzip archive"),
    (0, b"BZh", "archive", "a bzip2 archive"),
    (0, b"\xfd7zXZ\x00", "archive", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "archive", "a zstandard archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive", "a 7z archive"),
    (0, b"Rar!", "archive", "a rar archive"),
    (257, b"ustar", "archive", "a tar archive"),
    (0, b"\x93NUMPY", "pickle", "a numpy file, which may hold objects"),
    (0, b"\x7fELF", "program", "a program"),
    (0, b"MZ", "program", "a program"),
    (0, b"#!", "program", "a program"),
)
"""Offset, bytes, code and noun of what is refused by what it begins with."""

MOST_SHOWN = 600
"""Characters of what is said of a problem."""
_PLAIN_FIX = "leave it out; a submission holds text, and tensors as safetensors"


@dataclass(frozen=True, slots=True)
class Contents:
    """What could be read of a folder, by path relative to it."""

    root: Path
    sizes: Mapping[str, int]
    """Bytes of every regular file that was seen, read or not."""
    digests: Mapping[str, str]
    """sha256 (hex) of those that were read."""
    texts: Mapping[str, bytes]
    """Those that are text."""
    notes: Mapping[str, Mapping[str, str]]
    """The notes in the header of each safetensors file."""

    def again(self, path: str) -> bytes:
        """The bytes of a file once more. Raises `BadRecord` if they are not those that were read."""
        try:
            data = read_regular(self.root / path, MOST_FILE)
        except FileNotFoundError:
            data = b""
        if hashlib.sha256(data).hexdigest() != self.digests[path]:
            raise BadRecord(f"{self.root / path} changed while it was verified; leave the folder alone")
        return data


def read_folder(folder: Path) -> tuple[Contents, list[Problem]]:
    """All that can be read of a folder, and all that is wrong with its files as such.

    Raises `Unusable` where the system refuses the folder itself.
    """
    sizes: dict[str, int] = {}
    digests: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    notes: dict[str, dict[str, str]] = {}
    problems = list(_walked(folder, sizes))
    total = 0
    for path, size in sizes.items():
        total += size
        if size > MOST_FILE:
            problems.append(
                Problem("too-large", path, f"it has {size} bytes", f"a file has at most {MOST_FILE}")
            )
            continue
        if total > MOST_BYTES:
            problems.append(
                Problem(
                    "too-large", path, f"up to here the files have {total} bytes; it and all after it were "
                    "not read", f"a submission has at most {MOST_BYTES}",
                )
            )  # fmt: skip
            break
        try:
            data = read_regular(folder / path, MOST_FILE)
        except (BadRecord, OSError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no regular file of its size"
            problems.append(Problem("unreadable", path, f"it cannot be read ({said})", "mend or remove it"))
            continue
        digests[path] = hashlib.sha256(data).hexdigest()
        if problem := _kind_problem(path, data):
            problems.append(problem)
        elif not path.lower().endswith(_TENSORS):
            texts[path] = data
        else:
            try:
                notes[path] = notes_of(data)
            except BadRecord as error:
                problems.append(Problem("tensor-file", path, str(error), "save it with mmedit-bench"))
    return Contents(folder, sizes, digests, texts, notes), problems


def _walked(folder: Path, sizes: dict[str, int]) -> Iterator[Problem]:
    """What is wrong with the names and kinds in a folder; notes the size of every regular file."""
    waiting = [""]
    spelled: dict[str, str] = {}
    seen = 0
    while waiting:
        inside = waiting.pop()
        try:
            with naming(folder / inside), os.scandir(folder / inside) as found:
                entries = sorted(_at_most(found, MOST_FILES + 1), key=lambda entry: entry.name)
        except UnicodeError:  # a name that no path can hold
            yield Problem("name", shown_path(inside), "it cannot be listed", "remove it")
            continue
        for entry in entries:
            seen += 1
            path = inside + entry.name
            where = shown_path(path)
            if seen > MOST_FILES:
                yield Problem(
                    "too-many", where, "it and all after it were not looked at",
                    f"a submission has at most {MOST_FILES} files and folders",
                )  # fmt: skip
                return
            mode = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(mode.st_mode):
                yield Problem("link", where, "it is a symbolic link", "put the file itself in its place")
            elif not stat.S_ISREG(mode.st_mode) and not stat.S_ISDIR(mode.st_mode):
                yield Problem(
                    "special-file", where, f"it is {_special(mode.st_mode)}", "a submission holds files"
                )
            elif not _NAME.fullmatch(entry.name) or entry.name.endswith("."):
                yield Problem(
                    "name", where, "its name is not plain",
                    "use letters, digits and . _ + -, not . - or + first; hidden files are left out",
                )  # fmt: skip
            elif len(path) > MOST_PATH:
                yield Problem("name", where, f"its path has {len(path)} characters", f"use {MOST_PATH}")
            elif (other := spelled.setdefault(path.casefold(), path)) != path:
                yield Problem(
                    "name", where, f"it differs from {other} by capitals only", "rename one of them"
                )
            elif stat.S_ISDIR(mode.st_mode):
                if path.count("/") + 1 > MOST_DEPTH:
                    yield Problem("too-deep", where, "it lies too deep", f"use at most {MOST_DEPTH} folders")
                else:
                    waiting.append(f"{path}/")
            elif mode.st_nlink > 1:
                yield Problem(
                    "link", where, "it has another name elsewhere (a hard link)", "put a copy in its place"
                )
            else:
                sizes[path] = mode.st_size


def _at_most(found: Iterator[os.DirEntry[str]], most: int) -> list[os.DirEntry[str]]:
    return [entry for entry, _ in zip(found, range(most), strict=False)]


def _special(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a device"))
    return next((noun for test, noun in kinds if test(mode)), "a device")


def _kind_problem(path: str, data: bytes) -> Problem | None:
    """Why a file is of a kind that no submission holds, if it is."""
    name = path.rpartition("/")[2]
    suffix = Path(name).suffix.lower()
    if suffix in _PICKLES:
        return Problem("pickle", path, "files of its kind can run code when they are read", _PLAIN_FIX)
    if suffix in _ARCHIVES:
        return Problem("archive", path, "it is an archive by its name", _PLAIN_FIX)
    if suffix not in (*_TEXTS, _TENSORS) and not {name, Path(name).stem} & _BARE:
        return Problem("file-type", path, f"files of the type {suffix or name!r} are not read", _PLAIN_FIX)
    if suffix == _TENSORS:
        return None
    for offset, magic, code, noun in _MAGIC:
        if data[offset : offset + len(magic)] == magic and not (magic == b"#!" and suffix == ".py"):
            return Problem(code, path, f"it begins as {noun} does", _PLAIN_FIX)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Problem("not-text", f"{path}:{line}", "it is not UTF-8", "write it as UTF-8")
    if "\x00" in text:
        return Problem("not-text", path, "it holds a null character", "write it as text")
    return None


def shown_path(path: str) -> str:
    """A path of a stranger's making, so that it can be printed and written."""
    return path if path.isascii() and path.isprintable() and len(path) <= 300 else ascii(path)[1:300]


def shown_text(text: str) -> str:
    """Words that quote a stranger, in one line of at most `MOST_SHOWN` characters that nothing obeys."""
    line = " ".join(text[: 2 * MOST_SHOWN].split())
    kept = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
    return kept if len(kept) <= MOST_SHOWN else f"{kept[: MOST_SHOWN - 1]}…"
