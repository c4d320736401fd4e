"""What the edits of a run cost, from its timings.jsonl."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.files import MOST_BYTES, finite, parsed, read_regular
from mmedit_bench.scoring.scores import Cost

FILE_NAME = "timings.jsonl"


def read_cost(folder: Path, units: Container[str]) -> Cost:
    """Mean seconds and bytes per edit over the lines whose unit is among `units`.

    Timings are notes, not results: a missing file, or a line that a killed writer left torn, is
    passed over. Raises `BadRecord` for one that is no regular file.
    """
    try:
        lines = read_regular(folder / FILE_NAME, MOST_BYTES).split(b"\n")
    except FileNotFoundError:
        lines = []
    rows = [row for row in map(_parsed, lines) if isinstance(row.get("unit"), str) and row["unit"] in units]
    seconds, sizes = _numbers(rows, "seconds"), _numbers(rows, "edit_bytes")
    return Cost(_mean(seconds), _mean(sizes), len(seconds))


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        values = parsed(line)
    except BadRecord:
        return {}
    return values if isinstance(values, dict) else {}


def _numbers(rows: list[dict[str, Any]], name: str) -> list[float]:
    values: list[Any] = [row.get(name) for row in rows]
    return [float(value) for value in values if finite(value) and value >= 0]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
