"""Baselines line by line: those of two sides in one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.runs.files import parsed

Lines = tuple[Sequence[bytes], Path]
"""Lines of a baseline, and the file they are in."""


def joined(held: Lines, more: Lines, remedy: str) -> list[bytes]:
    """The lines of two baselines, each with where it lies: answers first, then readings, by case.

    The order in which runs came does not show. Raises `BenchError` that ends with `remedy` where a case
    has two different readings, and `BadRecord` for a line that is of no case.
    """
    known = {_case(line, held[1]): line for line in held[0]}
    for line in more[0]:
        key = _case(line, more[1])
        if known.setdefault(key, line) != line:
            raise BenchError(f"{held[1]} says otherwise of case {key[0][:80]} than {more[1]}; {remedy}")
    return [known[key] for key in sorted(known, key=lambda own: (own[1], own[0]))]


def _case(line: bytes, where: Path) -> tuple[str, bool]:
    """The case that a line of a baseline is of, and whether it holds the readings of its probes."""
    values = parsed(line)
    if not isinstance(values, dict) or not isinstance(values.get("case"), str):
        raise BadRecord(f"{where}: a line is of no case")
    return values["case"], "probes" in values
