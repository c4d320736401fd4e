"""The documents that `mmedit-bench reproduce` leaves: JSON that somebody may have edited since."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.runs.files import parsed, read_regular

SCHEMA = 1
FAMILIES = ("generation", "teacher_forced_token")
FIGURES = (".svg", ".png")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")


@dataclass(frozen=True, slots=True)
class Document:
    """One table or figure of the paper, measured."""

    name: str
    """Its page's name below paper/: the file's, after the folder's where there are several."""
    path: Path
    values: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What it shows."""
        return str(self.values["title"])

    @property
    def target(self) -> str:
        """What `reproduce` calls it."""
        return str(self.values["target"])

    @property
    def figures(self) -> tuple[Path, ...]:
        """The drawn files beside the document, those that are there."""
        own = (self.path.with_suffix(ending) for ending in FIGURES)
        return tuple(path for path in own if path.is_file() and not path.is_symlink())


def read_documents(folder: Path) -> list[Document]:
    """All documents in a folder, and in its folders one for each scale; in the order of their names.

    Raises `BadRecord` naming the file and what is wrong with it, and `BenchError` where there is none.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder} is no folder; --results takes one that `mmedit-bench reproduce` wrote to")
    found = [_read(path, folder) for path in sorted([*folder.glob("*.json"), *folder.glob("*/*.json")])]
    if not found:
        raise BenchError(f"{folder} holds no results; make some with `mmedit-bench reproduce table1 --out …`")
    return sorted(found, key=lambda one: _natural(one.name))


def made(block: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a block that could be run."""
    return [row for row in block["rows"] if "cells" in row]


def _read(path: Path, folder: Path) -> Document:
    name = "-".join(path.relative_to(folder).with_suffix("").parts).lower()
    if not _NAME.fullmatch(name):
        raise BadRecord(f"{path}: a document's name has letters, digits and . _ -")
    try:
        values = parsed(read_regular(path))
        if values["schema"] != SCHEMA:
            raise BadRecord("it was written by another version of mmedit-bench; reproduce it again")
        _look(values)
    except BadRecord as error:
        raise BadRecord(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadRecord(f"{path} is no document of results: {type(error).__name__}: {error}") from None
    return Document(name, path, values)


def _look(values: Mapping[str, Any]) -> None:
    """Touch what pages show, so that a document that lacks some of it is refused by its name."""
    for name in ("title", "target", "command", "form", "split"):
        if not isinstance(values[name], str):
            raise TypeError(f"{name} is no text")
    for number in _numbers(values):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise TypeError(f"{number!r} stands where a number belongs")
    for block in values["blocks"]:
        block.setdefault(
            "title", f"{block['suite']} on {block['backbone']}"
        )  # of before there were sequences
        block.setdefault("resampled", "edits")
    dict(values["versions"])
    if values["published"] is not None and not isinstance(values["published"], dict):
        raise TypeError("published is neither null nor an object")


def _numbers(values: Mapping[str, Any]) -> Iterator[Any]:
    yield values["wall_seconds"]
    yield values["limit"]
    for block in values["blocks"]:
        yield block["edits"]
        for row in made(block):
            yield row["seconds_per_edit"]
            yield from (row["published"] or {}).values()
            for family in FAMILIES:
                for cell in row["cells"][family].values():
                    if cell is not None:
                        yield from (cell["value"], cell["low"], cell["high"])


def _natural(name: str) -> list[tuple[bool, int, str]]:
    parts = re.findall(r"\d+|\D+", name)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
