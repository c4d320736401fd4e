"""The edit values that a submission of the track `edits` ships: where they lie, and what they refer to.

`edits/<run>/<unit>-<step>.safetensors` is the edit that step `step` of the schedule's unit number
`unit` made, six digits each. What several edits refer to lies in `edits/<run>/shared/`, under its digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.protocols.steps import Apply, Unit
from mmedit_bench.runs.doubles import parsed
from mmedit_bench.submissions.folder import SHARED, edit_file
from mmedit_bench.submissions.hostile import Contents
from mmedit_bench.submissions.problems import Problem

FOLDER = "edits"
READERS = frozenset({"constant_answer"})
"""Classes that a route may answer with and still be data; all others are code."""

_FIX = "make the submission anew with `mmedit-bench submit`"


@dataclass(frozen=True, slots=True)
class Described:
    """What an edit file says of itself."""

    readers: frozenset[str]
    """Names of the classes that its routes answer with."""
    shared: frozenset[str]
    """Digests of the parts it refers to."""


def edit_path(run: str, unit: int, step: int) -> str:
    """The file of an edit, relative to the submission."""
    return f"{FOLDER}/{run}/{edit_file(unit, step)}"


def shared_path(run: str, digest: str) -> str:
    """The file of a shared part, relative to the submission."""
    return f"{FOLDER}/{run}/{SHARED}/{digest}.safetensors"


def edit_problems(
    contents: Contents, run: str, schedule: Sequence[Unit], failed: frozenset[tuple[str, int]]
) -> Iterator[Problem]:
    """Whether every edit that was made has its file, and every file its edit.

    `failed` are unit and step of the edits that could not be made.
    """
    made = {
        edit_path(run, number, index): (unit.id, index)
        for number, unit in enumerate(schedule)
        for index, step in enumerate(unit.steps)
        if isinstance(step, Apply) and (unit.id, index) not in failed
    }
    referred: set[str] = set()
    for path, (unit_id, index) in made.items():
        if path not in contents.sizes:
            text = f"the edit of step {index} of unit {unit_id} has no file"
            yield Problem("edit-missing", path, text, _FIX)
        elif path in contents.notes:
            try:
                described = described_by(contents.notes[path])
            except BadRecord as error:
                yield Problem("edit-file", path, str(error), "save it with mmedit-bench")
                continue
            referred |= {shared_path(run, digest) for digest in described.shared}
            for reader in sorted(described.readers - READERS):
                text = f"its route is answered by {reader[:60]!r}, which is code"
                yield Problem("foreign-code", path, text, "submit it in the track `code`")
    for path in sorted(referred - contents.sizes.keys()):
        yield Problem("edit-missing", path, "an edit refers to it, and it is not there", _FIX)
    begin = f"{FOLDER}/{run}/"
    for path in contents.sizes:
        if path.startswith(begin) and path not in made and path not in referred:
            yield Problem("edit-extra", path, "no edit of the records is this file's", "leave it out")


def described_by(notes: Mapping[str, str]) -> Described:
    """What an edit's notes say of it. Raises `BadRecord` for notes of something else."""
    wrong = BadRecord("its notes do not describe an edit")
    if "edit" not in notes:
        raise wrong
    values = parsed(notes["edit"])
    items: Any = values.get("interventions") if isinstance(values, dict) else None
    if not isinstance(items, list):
        raise wrong
    readers: set[str] = set()
    shared: set[str] = set()
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("plain"), dict):
            raise wrong
        parts = item.get("shared")
        digests: list[Any] = list(parts.values()) if isinstance(parts, dict) else [None]
        if not all(isinstance(own, str) and re.fullmatch("[0-9a-f]{64}", own) for own in digests):
            raise wrong
        shared.update(digests)
        if item.get("kind") == "route":
            readers.add(str(item["plain"].get("reader")))
    return Described(frozenset(readers), frozenset(shared))
