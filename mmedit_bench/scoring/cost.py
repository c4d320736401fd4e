"""What the edits of a run cost, from its timings.jsonl."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.doubles import parsed
from mmedit_bench.runs.files import MOST_BYTES, finite, read_regular
from mmedit_bench.scoring.scores import Cost

FILE_NAME = "timings.jsonl"
TRAINING = "artefact.json"
_LARGEST = 1 << 22


def read_cost(folder: Path, units: Container[str]) -> Cost:
    """What the edits cost by the lines whose unit is among `units`, and what their editor's training did.

    Timings are notes, not results: a missing file, or a line that a killed writer left torn, is
    passed over. Raises `BadRecord` for one that is no regular file.
    """
    try:
        lines = read_regular(folder / FILE_NAME, MOST_BYTES).split(b"\n")
    except FileNotFoundError:
        lines = []
    return cost_of((row for row in map(_parsed, lines) if _unit(row) in units), folder / TRAINING)


def cost_of_lines(lines: Iterable[bytes], training: Path) -> Cost:
    """The same from lines at hand, all of which count; `training` describes the editor's, if it is there."""
    return cost_of((row for row in map(_parsed, lines) if _unit(row)), training)


def cost_of(found: Iterable[dict[str, Any]], training: Path) -> Cost:
    """The same from lines that are read already."""
    rows = list(found)
    seconds = _numbers(rows, "seconds")
    # a pace counts as a pair: both times of one line, of the same questions
    pairs = [row for row in rows if _number(row, "edited_seconds") and _number(row, "unedited_seconds")]
    overhead = _ratio(_numbers(pairs, "edited_seconds"), _numbers(pairs, "unedited_seconds"))
    return Cost(
        seconds=_mean(seconds),
        edit_bytes=_mean(_numbers(rows, "edit_bytes")),
        n=len(seconds),
        parameters=_mean(_numbers(rows, "edit_parameters")),
        overhead=overhead,
        timed=0 if overhead is None else len(pairs),
        peak_bytes=max(_numbers(rows, "peak_bytes"), default=None),
        preparation=_number(_described(training), "seconds"),
    )


def _unit(row: dict[str, Any]) -> str:
    """Empty where a line names none."""
    unit = row.get("unit")
    return unit if isinstance(unit, str) else ""


def _described(path: Path) -> dict[str, Any]:
    """What a run says of its editor's training; nothing where there was none."""
    try:
        return _parsed(read_regular(path, _LARGEST))
    except (FileNotFoundError, BadRecord):
        return {}


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        values = parsed(line)
    except BadRecord:
        return {}
    return values if isinstance(values, dict) else {}


def _number(row: dict[str, Any], name: str) -> float | None:
    value: Any = row.get(name)
    return float(value) if finite(value) and value >= 0 else None


def _numbers(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [value for row in rows if (value := _number(row, name)) is not None]


def _mean(values: list[float]) -> float | None:
    """None as well where the sum is beyond a float: what no table and no JSON can hold is no cost."""
    return _finite(sum(values) / len(values)) if values else None


def _ratio(values: list[float], of: list[float]) -> float | None:
    """The sum of `values` over that of `of`, all positive; None likewise: some are as small as 5e-324."""
    whole = _finite(sum(of))
    return _finite(sum(values) / whole) if whole else None


def _finite(value: float) -> float | None:
    return value if finite(value) else None
