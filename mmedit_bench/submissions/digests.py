"""digests.json: what the files of a submission are, and on what its numbers rest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mmedit_bench.errors import BadRecord, naming
from mmedit_bench.runs.doubles import parsed
from mmedit_bench.submissions.limits import MOST_BYTES, MOST_DEPTH, MOST_FILE, MOST_FILES
from mmedit_bench.submissions.problems import Problem

SCHEMA = 1
FILE = "digests.json"

_HEX = re.compile("[0-9a-f]{64}")


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """All files under a folder with their paths relative to it, in the order of these.

    Raises `BadRecord` for a link, a pipe and whatever else is neither file nor folder, and for more
    files or deeper folders than a submission may have.
    """
    found: list[tuple[str, Path]] = []
    waiting = [(folder, "", 0)]
    while waiting:
        place, prefix, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise BadRecord(f"{place} lies more than {MOST_DEPTH} folders deep; put it higher")
        with naming(place):
            entries = list(os.scandir(place))
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                waiting.append((path, f"{prefix}{entry.name}/", depth + 1))
            elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                found.append((prefix + entry.name, path))
            else:
                raise BadRecord(f"{path} is neither a file nor a folder; leave it out")
        if len(found) > MOST_FILES:
            raise BadRecord(f"{folder} holds more than {MOST_FILES} files; leave some out")
    yield from sorted(found)


def digests_of(folder: Path) -> dict[str, dict[str, Any]]:
    """`{relative path: {"sha256": hex, "bytes": n}}` of all files of a submission but digests.json itself.

    Raises `BadRecord` as `files_of`, and for what is larger than a submission may be.
    """
    found: dict[str, dict[str, Any]] = {}
    total = 0
    for name, path in files_of(folder):
        if name == FILE:
            continue
        sha256, size = _read(path)
        total += size
        if total > MOST_BYTES:
            raise BadRecord(f"{folder} has more than {MOST_BYTES >> 20} MiB; submit fewer or smaller files")
        found[name] = {"sha256": sha256, "bytes": size}
    return found


def package_digest(files: Mapping[str, Mapping[str, Any]]) -> str:
    """sha256 (hex) of a package from the digests of its files, by relative path."""
    lines = (f"{name}\0{files[name]['sha256']}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What digests.json says."""

    files: Mapping[str, Mapping[str, Any]] = field(hash=False)
    """As `digests_of` gives them."""
    package: Mapping[str, str] = field(hash=False)
    """Name, version and sha256 of the editor's distribution."""
    scorer: str
    """Program and version that made the submission, such as "mmedit-bench 0.1.0"."""
    suites: Mapping[str, str] = field(hash=False)
    """Digest of the data by suite."""
    backbones: Mapping[str, str] = field(hash=False)
    """Digest of the weights by backbone."""

    def text(self) -> str:
        """digests.json."""
        values = {
            "schema": SCHEMA,
            "files": {name: dict(own) for name, own in self.files.items()},
            "package": dict(self.package),
            "scorer": self.scorer,
            "suites": dict(self.suites),
            "backbones": dict(self.backbones),
        }
        return json.dumps(values, sort_keys=True, indent=1) + "\n"

    @classmethod
    def parse(cls, text: str | bytes, where: str = FILE) -> tuple[Self | None, list[Problem]]:
        """What a text says, or all that is wrong with it. Never raises."""
        fix = "make the submission anew with `mmedit-bench submit`"
        try:
            values = parsed(text)
        except BadRecord as error:
            return None, [Problem("json", where, str(error), fix)]
        if not isinstance(values, dict):
            return None, [Problem("json", where, "it holds no mapping", fix)]
        wrong: dict[str, str] = {}
        if type(values.get("schema")) is not int or values["schema"] != SCHEMA:
            wrong["schema"] = f"it is not {SCHEMA}"
        if not _texts(values.get("package")) or set(values["package"]) != {"name", "version", "sha256"}:
            wrong["package"] = "it is no mapping of name, version and sha256"
        if not isinstance(values.get("scorer"), str) or len(values["scorer"]) > 100:
            wrong["scorer"] = "it is no short text"
        for name in ("suites", "backbones"):
            if not _texts(values.get(name)):
                wrong[name] = "it is no mapping of texts"
        files = values.get("files")
        if not isinstance(files, dict) or not all(map(_file, files.values())):
            wrong["files"] = "it is no mapping of paths to sha256 and bytes"
        for name in values.keys() - {"schema", "files", "package", "scorer", "suites", "backbones"}:
            wrong[name] = "there is no such field"
        if wrong:
            return None, [
                Problem("bad-field", f"{where}#{ascii(name)[1:-1][:60]}", text, fix)
                for name, text in wrong.items()
            ]
        del values["schema"]
        return cls(**values), []


def _read(path: Path) -> tuple[str, int]:
    found, size = hashlib.sha256(), 0
    with naming(path), os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        while part := file.read(1 << 20):
            size += len(part)
            if size > MOST_FILE:
                raise BadRecord(f"{path} has more than {MOST_FILE >> 20} MiB, the most of one file")
            found.update(part)
    return found.hexdigest(), size


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(own, str) and len(own) <= 200 for own in value.values())


def _file(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"sha256", "bytes"}
        and isinstance(value["sha256"], str)
        and _HEX.fullmatch(value["sha256"]) is not None
        and type(value["bytes"]) is int
        and value["bytes"] >= 0
    )
