"""Ways to damage a submission by chance: bytes, lines, values, files and folders."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

OTHERS: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 0.5, 1e308, "", "other", "../../etc/passwd", "\ud800", "\u202e", "=1+1", [],
    [[[[]]]], {}, {"": {}}, ["x"] * 50, "x" * 10_000,
)  # fmt: skip
"""Values of other types and sizes than wanted."""
TEXTS = (
    b"NaN", b"Infinity", b"1e999", b"\xff\xfe", b"\x00", b"\x1b[2J", b"[" * 5000, b"{" * 5000, b'"',
    b"\\ud800", b"9" * 5000, b"!!python/object/apply:os.system [ls]", b"&a [*a]", b"\xe2\x80\xae", b"\r",
    b"../", b"<script>", b"\n\n", b"9" * 300,
)  # fmt: skip
"""What is written into the middle of files."""
KINDS = (
    b"\x80\x04\x95.", b"PK\x03\x04", b"\x1f\x8b\x08", b"\x7fELF", b"#!/bin/sh\n", b"\x93NUMPY", b"MZ", b"",
)  # fmt: skip


def mutate(folder: Path, rng: random.Random) -> tuple[str, str]:
    """Do one thing to one file of a submission; returns the file, relative, and what was done."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    # the runs' folders have long names and few files: each file gets its turn, whatever its size
    path = rng.choice(files)
    kind = rng.choice(("bytes", "bytes", "lines", "values", "values", "tree"))
    how = {"bytes": _BYTES, "lines": _LINES, "values": _VALUES, "tree": _TREE}[kind]
    act = rng.choice(how)
    act(path, rng)
    return path.relative_to(folder).as_posix(), f"{kind}: {act.__name__}"


def _data(change: Callable[[bytes, random.Random], bytes]) -> Callable[[Path, random.Random], None]:
    def act(path: Path, rng: random.Random) -> None:
        path.write_bytes(change(path.read_bytes(), rng))

    act.__name__ = change.__name__
    return act


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def flip(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return b"\x01"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def swap(data: bytes, rng: random.Random) -> bytes:
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((*TEXTS, rng.randbytes(rng.randrange(1, 40)))) + data[at:]


def overwrite(data: bytes, rng: random.Random) -> bytes:
    at, new = rng.randrange(len(data) + 1), rng.choice(TEXTS)
    return data[:at] + new + data[at + len(new) :]


def other_kind(data: bytes, rng: random.Random) -> bytes:
    return rng.choice(KINDS) + data


def other_length(data: bytes, rng: random.Random) -> bytes:
    """The length of a header, where there is one."""
    return rng.choice((0, 1, 1 << 20, 1 << 63)).to_bytes(8, "little") + data[8:]


def doubled_line(data: bytes, rng: random.Random) -> bytes:
    kept = data.splitlines(keepends=True)
    at = rng.randrange(len(kept) + 1)
    return b"".join([*kept[:at], *kept[:at][-1:], *kept[at:]]) + (b"" if kept[:at] else b"x: 1\n")


def lost_line(data: bytes, rng: random.Random) -> bytes:
    kept = data.splitlines(keepends=True)
    at = rng.randrange(len(kept) + 1)
    return b"".join(kept[:at] + kept[at + 1 :])


def shuffled_lines(data: bytes, rng: random.Random) -> bytes:
    kept = data.splitlines(keepends=True)
    rng.shuffle(kept)
    return b"".join(kept)


def _value(path: Path, rng: random.Random) -> None:
    """Another value at one place of a JSON document, or of one line of many."""
    text = path.read_text("utf-8", "replace")
    lines = text.splitlines(keepends=True) if path.suffix == ".jsonl" else [text]
    at = rng.randrange(len(lines)) if lines else 0
    try:
        values = json.loads(lines[at])
    except (ValueError, IndexError):
        path.write_bytes(insert(path.read_bytes(), rng))
        return
    values = _changed(values, rng)
    compact = path.suffix == ".jsonl"
    written = json.dumps(
        values, sort_keys=True, separators=(",", ":") if compact else None, indent=None if compact else 2,
        ensure_ascii=True,
    )  # fmt: skip
    lines[at] = written + "\n"
    path.write_text("".join(lines), encoding="utf-8")


def _changed(values: Any, rng: random.Random) -> Any:
    if isinstance(values, dict) and values and rng.random() < 0.85:
        name = rng.choice(sorted(values))
        act = rng.random()
        if act < 0.1:
            return {key: own for key, own in values.items() if key != name}
        if act < 0.2:
            return values | {rng.choice(("extra", "../x", "")): rng.choice(OTHERS)}
        return values | {name: _changed(values[name], rng)}
    if isinstance(values, list) and values and rng.random() < 0.85:
        at = rng.randrange(len(values))
        act = rng.random()
        if act < 0.2:
            return values[:at] + values[at + 1 :]
        if act < 0.4:
            return [*values, values[at]]
        return [*values[:at], _changed(values[at], rng), *values[at + 1 :]]
    return rng.choice(OTHERS)


def _gone(path: Path, rng: random.Random) -> None:
    path.unlink()


def _folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / path.name).write_bytes(b"{}")


def _link(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to(rng.choice(("/etc/passwd", "/dev/zero", "..", "nowhere")))


def _loop(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _pipe(path: Path, rng: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _bound(path: Path, rng: random.Random) -> None:
    os.link(path, path.with_name(f"again-{path.name}"))


def _renamed(path: Path, rng: random.Random) -> None:
    ends = (".pkl", ".pt", ".zip", ".html", "", "\n", "\u00e9", "..json", " ", "\udcff")
    path.rename(path.with_name(path.stem + rng.choice(ends)))


def _exchanged(path: Path, rng: random.Random) -> None:
    """Two files change places."""
    root = next(own for own in path.parents if (own / "runs").is_dir())
    others = sorted(own for own in root.rglob("*") if own.is_file() and own.read_bytes() != path.read_bytes())
    other = rng.choice(others)
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def _extra(path: Path, rng: random.Random) -> None:
    name = rng.choice(("x.pkl", "x.zip", "scores.json", "x.py", "-rf", ".git", "x.safetensors", "a\nb"))
    path.with_name(name).write_bytes(rng.choice(KINDS) + b"x")


_BYTES = tuple(map(_data, (truncate, flip, swap, insert, overwrite, other_kind, other_length)))
_LINES = tuple(map(_data, (doubled_line, lost_line, shuffled_lines)))
_VALUES = (_value,)
_TREE = (_gone, _folder, _link, _loop, _pipe, _bound, _renamed, _exchanged, _extra)
