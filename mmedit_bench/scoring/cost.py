"""What the edits of a run cost, from its timings.jsonl."""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from mmedit_bench.scoring.scores import Cost

FILE_NAME = "timings.jsonl"


def read_cost(folder: Path, units: Container[str]) -> Cost:
    """Mean seconds and bytes per edit over the lines whose unit is among `units`.

    Timings are notes, not results: a missing file, or a line that a killed writer left torn, is
    passed over.
    """
    path = folder / FILE_NAME
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    rows = [row for row in map(_parsed, lines) if row.get("unit") in units]
    seconds, sizes = _numbers(rows, "seconds"), _numbers(rows, "edit_bytes")
    return Cost(_mean(seconds), _mean(sizes), len(seconds))


def _parsed(line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _numbers(rows: list[dict[str, Any]], name: str) -> list[float]:
    values = [row.get(name) for row in rows]
    return [
        float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
