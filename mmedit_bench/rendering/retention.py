"""Measured values of runs, such as lm-eval's, in a section of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mmedit_bench.rendering.wording import MISSING
from mmedit_bench.scoring.retention import COLLAPSE, START, MeasureCell
from mmedit_bench.scoring.scores import RunScores

HEAD = ("editor", "measure", "moment", "value of", "value", "change", "note")
TITLE = "Measured beside the probes"
READING = (
    "Values in the measure's own units. Change: to the same model before any edit, with its 95 % interval, "
    f"paired by item. Collapse: a perplexity more than {COLLAPSE:g} times the unedited model's."
)


def measured_rows(runs: Iterable[tuple[str, RunScores]]) -> list[tuple[str, ...]]:
    """One row per run, measure, moment and value, in the order of `HEAD`; empty without measures."""
    return [(name, *row) for name, scores in runs for row in _rows(scores)]


def _rows(scores: RunScores) -> Iterator[tuple[str, ...]]:
    for measure, moments in scores.measures.items():
        for moment, cells in moments.items():
            for name, cell in cells.items():
                change = MISSING if moment == START else change_of(cell)
                yield measure, moment, name, f"{cell.value:.4g}", change, note_of(cell)


def change_of(cell: MeasureCell) -> str:
    """The change with its sign, and the interval where there is one."""
    if cell.delta is None:
        return MISSING
    bounds = "" if cell.low is None or cell.high is None else f" [{cell.low:+.3g}, {cell.high:+.3g}]"
    return f"{cell.delta + 0.0:+.3g}{bounds}"


def note_of(cell: MeasureCell) -> str:
    """What a reader must know beside the number."""
    notes = []
    if cell.collapsed:
        notes.append("collapsed" if cell.units == 1 else f"collapsed in {cell.collapsed} of {cell.units}")
    if cell.failed:
        notes.append(f"measured without some edits in {cell.failed} of {cell.units}")
    return ", ".join(notes)


def measured_text(runs: Sequence[tuple[str, RunScores]]) -> str:
    """The rows in aligned columns, for a terminal; empty without measures."""
    rows = measured_rows(runs)
    if not rows:
        return ""
    widths = [max(len(row[place]) for row in (HEAD, *rows)) for place in range(len(HEAD))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (HEAD, *rows)
    ]
    return "\n".join([TITLE, "", *lines, "", READING]) + "\n"
