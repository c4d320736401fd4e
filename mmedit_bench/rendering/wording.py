"""How numbers are spelled in tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmedit_bench.scoring.scores import TOO_FEW, Cell, Cost

MISSING = "–"
"""Stands where nothing was measured: not the same as 0."""


def number(cell: Cell | None) -> str:
    """The value with one decimal."""
    return MISSING if cell is None or cell.value is None else f"{cell.value:.1f}"


def margin(cell: Cell | None) -> str:
    """Half the interval's length, with one decimal; empty where there is no interval."""
    return "" if cell is None or cell.half_width is None else f"{cell.half_width:.1f}"


def with_margin(cell: Cell | None) -> str:
    """Value ± half the interval."""
    return f"{number(cell)} ±{margin(cell)}" if margin(cell) else number(cell)


def difference(value: float, low: float | None, high: float | None) -> str:
    """With its sign, and the interval where there is one: whether 0 lies in it can be seen."""
    bounds = "" if low is None or high is None else f" [{_bound(low)}, {_bound(high)}]"
    return f"{value:+.1f}{bounds}"


def _bound(value: float) -> str:
    """One decimal; a second one, or a third, where the first would make 0 of it."""
    for places in (1, 2, 3):
        if round(value, places):
            return f"{value:+.{places}f}"
    return "0.0"


def half_life(found: Mapping[str, Any] | None) -> str:
    """As it stands in a table: the age, over which age it lies, or that there is none."""
    if not found or (found["edits"] is None and found["oldest"] is None):
        return MISSING
    return f"over {found['oldest']}" if found["edits"] is None else str(found["edits"])


def explained(reasons: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Notes under a table: what a dash and a number without an interval mean there, and in which rows."""
    return [
        f"{sign} {reason} ({', '.join(names)})."
        for reason, names in reasons
        for sign in ["No ±:" if reason == TOO_FEW else f"{MISSING}:"]
    ]


def seconds(value: float | None) -> str:
    """Two significant digits, no exponent: 0.0042, 0.37, 12."""
    if value is None:
        return MISSING
    if value >= 9.95:
        return f"{value:.0f}"
    digits = next((places for places in range(1, 5) if value >= 0.995 * 10.0 ** (1 - places)), 4)
    return f"{value:.{digits}f}"


def size(value: float | None) -> str:
    """Bytes in decimal units with at most three digits: 0 B, 96 B, 3.1 kB, 52 MB."""
    if value is None:
        return MISSING
    units = iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while value >= 999.5 and (larger := next(units, None)):
        value, unit = value / 1000, larger
    plain = unit == "B" or value >= 9.95
    return f"{value:.0f} {unit}" if plain else f"{value:.1f} {unit}"


def factor(value: float | None) -> str:
    """How many times as much, with two decimals."""
    return MISSING if value is None else f"{value:.2f}x"


def count(value: float | None) -> str:
    """A number of things with at most three digits: 0, 96, 3.1 k, 52 M."""
    return MISSING if value is None else size(value).removesuffix("B").strip().replace("G", "bn")


def amount(cell: Cell | None) -> str:
    """Value ± half the interval in the cell's unit: nats need more decimals than a percentage."""
    if cell is None or cell.value is None:
        return MISSING
    spread = cell.half_width
    if cell.unit == "nats":
        return f"{cell.value:.3f}" + ("" if spread is None else f"±{spread:.3f}")
    text = f"{cell.value:+.1f}" if cell.unit == "points" else f"{cell.value:.1f}"
    return text + ("" if spread is None else f"±{spread:.1f}")


COSTS = ("s/edit", "size", "params", "answer", "peak", "prep s")
"""Heads of what `costs` gives; `answer` is the time of an answer as a multiple of the unedited model's."""


def costs(cost: Cost) -> tuple[str, ...]:
    """The cost columns of a table, in the order of `COSTS`."""
    return (
        seconds(cost.seconds),
        size(cost.edit_bytes),
        count(cost.parameters),
        factor(cost.overhead),
        size(cost.peak_bytes),
        seconds(cost.preparation),
    )
