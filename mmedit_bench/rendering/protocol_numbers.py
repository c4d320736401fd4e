"""What protocols of many edits measure beyond scores at a moment: in words, and as rows of the CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from mmedit_bench.protocols.moments import UNDONE
from mmedit_bench.protocols.steps import END
from mmedit_bench.rendering.table import ALL
from mmedit_bench.rendering.wording import MISSING, difference, number, with_margin
from mmedit_bench.scoring.conflicts import ConflictScores
from mmedit_bench.scoring.rollbacks import RollbackScores
from mmedit_bench.scoring.scores import Cell, Cells, RunScores
from mmedit_bench.scoring.sequence_scores import HalfLife, Point, SequenceScores

MEAN = "mean"
"""The statistic of every other row of the CSV."""
SHOWN = "reliability/main"
"""The column that is told in words; all are in scores.json and the CSV."""

Row = dict[str, object]


def lines(run: RunScores, family: str) -> list[str]:
    """A line for each thing to know of a run's sequences, conflicts or rollbacks; none for other runs."""
    found: list[str] = []
    if family in run.sequences:
        found += _of_sequences(run.sequences[family])
    if family in run.conflict:
        found += _of_conflict(run.conflict[family])
    if family in run.rollback:
        found += _of_rollback(run.rollback[family])
    return found


def rows(run: RunScores, family: str) -> Iterator[Row]:
    """Statistic, moment, task, column and the fields of its cell, for every number."""
    if family in run.sequences:
        scores = run.sequences[family]
        yield from _rows("area", END, scores.area)
        yield from _rows("order_deviation", END, scores.order_deviation)
        for task, cells in scores.interference.items():
            yield from _rows("interference", END, cells, task)
        for column, life in scores.half_life.items():
            place: Row = {"statistic": "half_life", "moment": END, "task": ALL, "column": column}
            yield place | {"value": life.edits, "low": life.low, "high": life.high, "reason": life.reason}
    if family in run.conflict:
        yield from _rows("earlier", END, run.conflict[family].earlier)
        yield from _rows("cost", END, run.conflict[family].cost)
    if family in run.rollback:
        yield from _rows("agreement_of_undone", UNDONE, run.rollback[family].undone)
        yield from _rows("agreement_of_others", UNDONE, run.rollback[family].others)


def _rows(statistic: str, moment: str, cells: Cells, task: str = ALL) -> Iterator[Row]:
    for column, cell in cells.items():
        yield {"statistic": statistic, "moment": moment, "task": task, "column": column} | asdict(cell)


def _of_sequences(scores: SequenceScores) -> Iterator[str]:
    yield (
        f"{scores.sequences} {_plural('sequence', scores.sequences)} of {scores.length} edits, "
        f"{scores.orders} {_plural('order', scores.orders)}"
    )
    if len(scores.curve) > 1:
        yield f"reliability after edits {_curve(scores.curve)}; area {with_margin(scores.area[SHOWN])}"
    if scores.retention:
        life = scores.half_life[SHOWN]
        yield f"reliability at age {_curve(scores.retention)}; half-life {_life(life)}"
    deviation = scores.order_deviation[SHOWN]
    if deviation.value is not None:
        yield f"order alone: standard deviation {with_margin(deviation)} points"
    for task, cells in scores.interference.items():
        yield f"interference, {task}: {_difference(cells[SHOWN])} points of reliability, alone minus mixed"


def _of_conflict(scores: ConflictScores) -> Iterator[str]:
    text = f"of two edits the last is said in {with_margin(scores.last[SHOWN])} %"
    if SHOWN in scores.earlier:
        text += f", the earlier one in {with_margin(scores.earlier[SHOWN])} %"
    yield text
    if SHOWN in scores.cost:
        yield f"the earlier edit costs {_difference(scores.cost[SHOWN])} points of reliability"


def _of_rollback(scores: RollbackScores) -> Iterator[str]:
    yield (
        f"undone: agreement with {scores.against} over all probes {with_margin(scores.undone.get(ALL))} %; "
        f"{scores.identical} of {scores.units} units identical"
    )
    if ALL in scores.others:
        yield f"edits that stayed: agreement {with_margin(scores.others[ALL])} %"


def _curve(points: Sequence[Point]) -> str:
    places = ", ".join(str(point.at) for point in points)
    return f"{places}: {', '.join(number(point.cells.get(SHOWN)) for point in points)}"


def _life(life: HalfLife) -> str:
    if life.edits is None:
        return f"{MISSING} ({life.reason})"
    beyond = f"more than {life.oldest}"
    bounds = f" [{life.low}, {beyond if life.high is None else life.high}]" if life.low is not None else ""
    return f"{life.edits} edits{bounds}"


def _difference(cell: Cell) -> str:
    return MISSING if cell.value is None else difference(cell.value, cell.low, cell.high)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
