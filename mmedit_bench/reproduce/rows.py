"""What tables ask of the rows of a document, whichever columns they show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmedit_bench.rendering.wording import explained
from mmedit_bench.scoring.families import HEADLINE_FAMILY

FAMILIES = (HEADLINE_FAMILY, "teacher_forced_token")
"""The headline, and the measurement that the paper's numbers are of."""

Row = Mapping[str, Any]
Cell = Mapping[str, Any]
"""A value with `low` and `high`, which are None where there are too few units for an interval."""


def made(block: Mapping[str, Any]) -> Sequence[Row]:
    """The rows whose runs could be made."""
    return [row for row in block["rows"] if "cells" in row]


def bounded(cell: Cell) -> bool:
    """Whether it has an interval."""
    return cell["low"] is not None


def apart(difference: Cell) -> bool:
    """Whether it is clear: its interval leaves out 0."""
    return bounded(difference) and bool(difference["low"] > 0 or difference["high"] < 0)


def notes(rows: Iterable[Row], columns: Sequence[str], family: str) -> list[str]:
    """Why numbers or intervals of these columns are missing, and in which rows."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        for key, reason in row.get("reasons", {}).get(family, {}).items():
            if key in columns:
                found.setdefault(reason, {})[row["label"]] = None
    return explained((reason, tuple(names)) for reason, names in found.items())
