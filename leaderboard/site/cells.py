"""Numbers as cells of the site's tables: the text, the exact value in words, and a bar in percent."""

from __future__ import annotations

from dataclasses import dataclass

from mmedit_bench.rendering.wording import MISSING, count, factor, number, seconds, size
from mmedit_bench.scoring.scores import NOTHING_ASKED, Cell, Cost


@dataclass(frozen=True, slots=True)
class CellView:
    """One score. `left` and `wide` are the interval on an axis from 0 to 100, `at` the value."""

    text: str
    spread: str
    """Half the interval, with its sign; empty where there is none."""
    exact: str
    at: str | None
    left: str | None
    wide: str | None


@dataclass(frozen=True, slots=True)
class CostView:
    """One cost: its text and the number it is sorted by."""

    text: str
    value: str | None


@dataclass(frozen=True, slots=True)
class CostColumn:
    """A column of costs."""

    key: str
    title: str
    about: str


COSTS = (
    CostColumn("seconds", "s/edit", "Seconds of wall time per edit, on the machine of the run"),
    CostColumn("edit_bytes", "Size", "Size of an edit's tensors and texts"),
    CostColumn("preparation", "Prep. s", "Seconds that the editor's training took, once"),
    CostColumn("parameters", "Numbers", "Numbers in an edit's own tensors"),
    CostColumn("overhead", "Answer", "Time of an answer as a multiple of the unedited model's"),
    CostColumn("peak_bytes", "Memory", "Most memory that the process held which asked"),
)
_SPELT = {
    "seconds": seconds, "preparation": seconds, "edit_bytes": size, "peak_bytes": size,
    "parameters": count, "overhead": factor,
}  # fmt: skip


def cell_view(cell: Cell | None) -> CellView:
    """A score as the tables show it."""
    if cell is None or cell.value is None:
        return CellView(MISSING, "", (cell and cell.reason) or NOTHING_ASKED, None, None, None)
    of = f"n = {cell.n} of {cell.edits} edits"
    if cell.low is None or cell.high is None:
        return CellView(number(cell), "", f"{cell.value:.2f}, {of}", _axis(cell.value), None, None)
    return CellView(
        number(cell),
        f"±{(cell.high - cell.low) / 2:.1f}",
        f"{cell.value:.2f} [{cell.low:.2f}, {cell.high:.2f}], {of}",
        _axis(cell.value),
        _axis(cell.low),
        _axis(cell.high - cell.low),
    )


def _axis(percent: float) -> str:
    return f"{percent:.1f}".removesuffix(".0")


def cost_view(cost: Cost, key: str) -> CostView:
    """A cost as the tables show it."""
    value: float | None = getattr(cost, key)
    return CostView(_SPELT[key](value), None if value is None else f"{value:.6g}")
