"""The same edits under two conditions, compared row by row: alone or in a sequence, alone or in a mix."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Literal

from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.moments import ALONE
from mmedit_bench.scoring import intervals
from mmedit_bench.scoring.cells import cells_of
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.edit_values import EditValues, edit_values
from mmedit_bench.scoring.families import Family, family_named
from mmedit_bench.scoring.groups import MEANS
from mmedit_bench.scoring.intervals import Estimate
from mmedit_bench.scoring.scores import TOO_FEW, Cell, Cells

SAME = (
    "suite_digest", "split", "backbone_digest", "editor", "editor_version", "editor_settings", "artefact",
    "dtype", "seed",
)  # fmt: skip
"""Fields of the spec in which two runs agree whose edits are compared."""


def lifelong_gap(run: Checked, one_step: Checked, family: str) -> Cells:
    """One-step minus end of sequence, in percentage points, over the cases that both runs have.

    Paired case by case, every order of a sequence with the one answer alone, and resampled by
    sequence. Raises `BenchError` unless both are of one editor as it was trained, on one backbone,
    suite and split, and measured against the same readings before any edit; and if they share no case.
    """
    known = family_named(family)
    _comparable(run, one_step)
    end, alone = edit_values(run, family), edit_values(one_step, family)
    row_of = {case: row for row, case in enumerate(alone.cases)}
    rows = [row for row, case in enumerate(end.cases) if case in row_of]
    if not rows:
        raise BenchError(
            f"runs {_name(one_step)} and {_name(run)} have no case in common; run both with one --limit"
        )
    end, alone = end.take(rows), alone.take([row_of[end.cases[row]] for row in rows])
    shared = [name for name in end.columns if name in alone.columns]
    return differences_of(known, alone.only(shared), end.only(shared))


def interference(run: Checked, family: Family, end: EditValues) -> dict[str, Cells]:
    """By task, and over "all": alone minus in the mix; `end` are the run's values at the end.

    Empty for a run that asks no task alone.
    """
    alone = edit_values(run, family.name, ALONE)
    pairs = paired_rows(alone, end)
    if not pairs:
        return {}
    mine, theirs = alone.take([one for one, _ in pairs]), end.take([other for _, other in pairs])
    tasks = list(dict.fromkeys(theirs.tasks))
    found: dict[str, Cells] = {"all": differences_of(family, mine, theirs)}
    for task in tasks:
        found[task] = differences_of(family, mine.of_task(task), theirs.of_task(task))
    return found


def paired_rows(one: EditValues, other: EditValues) -> list[tuple[int, int]]:
    """Rows of the same case in the same cluster: its first ask here with its first there, and so on.

    A protocol gives what belongs together in the same order of units.
    """
    waiting: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(other.clusters, other.cases, strict=True)):
        waiting[key].append(row)
    pairs = []
    seen: Counter[tuple[str, str]] = Counter()
    for row, key in enumerate(zip(one.clusters, one.cases, strict=True)):
        if seen[key] < len(waiting[key]):
            pairs.append((row, waiting[key][seen[key]]))
        seen[key] += 1
    return pairs


def differences_of(family: Family, mine: EditValues, theirs: EditValues) -> dict[str, Cell]:
    """`mine` minus `theirs`, row by row, in columns and means, resampled by the clusters of `theirs`.

    In percentage points.
    """
    empty = mine.empty | theirs.empty
    found = intervals.differences(
        mine.without(empty), theirs.without(empty), theirs.clusters, theirs.columns, MEANS
    )
    reasons = {key: cell.reason for key, cell in cells_of(family, mine).items()}
    return {
        key: with_estimate(cell, found[key], cell.reason or reasons[key], unit="points")
        for key, cell in cells_of(family, theirs).items()
        if key in found
    }


def with_estimate(
    cell: Cell,
    estimate: Estimate | None,
    why: str | None = None,
    *,
    unit: Literal["percent", "points"] = "percent",
) -> Cell:
    """`cell` with another number, given as a share; without one, with the reason for that.

    `unit` is that of the new number, whatever the cell's was: an area is a score again, a difference or
    a spread is in "points".
    """
    if estimate is None:
        return replace(cell, value=None, low=None, high=None, reason=why or cell.reason, unit=unit)
    hundred = estimate.times(100)
    few = TOO_FEW if hundred.low is None else None
    return replace(cell, value=hundred.value, low=hundred.low, high=hundred.high, reason=few, unit=unit)


def _comparable(run: Checked, other: Checked) -> None:
    mine, theirs = run.state.manifest.spec, other.state.manifest.spec
    for name in SAME:
        if getattr(mine, name) != getattr(theirs, name):
            raise BenchError(
                f"runs {_name(run)} and {_name(other)} differ in {name}; compare runs of one editor"
            )
    shared = {case.id for case in run.selection.cases} & {case.id for case in other.selection.cases}
    if any(run.baseline.probes[case] != other.baseline.probes[case] for case in shared):
        raise BenchError(
            f"runs {_name(run)} and {_name(other)} are measured against different baselines; run one of "
            "them again"
        )


def _name(run: Checked) -> str:
    return run.state.manifest.spec.folder_name
