"""What is wrong with public data and peers: sentences with numbers, each with the command that finds it.

A report is a JSON file in the board's folder `audit/`: a list of objects with `dataset`, `finding`,
`numbers` (by name), `sentence` and `command`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.site.html import write_page, write_text
from leaderboard.site.lazy import json_of
from leaderboard.site.model import Site
from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.files import finite, parsed, read_regular

FOLDER = "audit"
PAGE = "audit.html"
_FIELDS = ("dataset", "finding", "numbers", "sentence", "command")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    dataset: str
    finding: str
    """What sort of thing it is, in a word or two."""
    numbers: Mapping[str, float]
    sentence: str
    command: str
    """Finds it again."""


def read_findings(board: Path) -> list[Finding]:
    """The reports of a board's folder, in the order of their names; none where there is no such folder.

    Raises `BadRecord` naming the file, the place in it and the field.
    """
    return [finding for path in sorted((board / FOLDER).glob("*.json")) for finding in _report(path)]


def write(site: Site, out: Path, findings: list[Finding]) -> None:
    """audit.html, grouped by data set, and the same as audit.json. Raises `Unusable`."""
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.dataset, []).append(finding)
    write_page(site.head, out, PAGE, "audit.html.j2", grouped=grouped)
    plain = [{name: getattr(finding, name) for name in _FIELDS} for finding in findings]
    write_text(out / "audit.json", json_of(plain) + "\n")


def _report(path: Path) -> list[Finding]:
    try:
        values = parsed(read_regular(path))
    except BadRecord as error:
        raise BadRecord(f"{path}: {error}") from None
    if not isinstance(values, list):
        raise BadRecord(f"{path} holds no list of findings")
    return [_finding(one, f"{path}#{number}") for number, one in enumerate(values)]


def _finding(values: Any, where: str) -> Finding:
    if not isinstance(values, dict) or values.keys() != set(_FIELDS):
        raise BadRecord(f"{where}: a finding has the fields {', '.join(_FIELDS)} and no others")
    for name in _FIELDS:
        if name != "numbers" and not (isinstance(values[name], str) and values[name].strip()):
            raise BadRecord(f"{where}.{name}: it must be a text")
    numbers = values["numbers"]
    if not isinstance(numbers, dict) or not all(map(finite, numbers.values())):
        raise BadRecord(f"{where}.numbers: it must hold finite numbers by name")
    return Finding(**values)
