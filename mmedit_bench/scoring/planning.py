"""How many edits a planned comparison needs, from one run or from two on the same edits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmedit_bench.errors import BenchError
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.paired import same_edits
from mmedit_bench.scoring.power import Needed, influences, needed, spread_of


@dataclass(frozen=True, slots=True)
class Planned:
    """What it takes, column by column; None where the runs show no variance."""

    needed: Mapping[str, Needed | None]
    edits: int
    clusters: int
    paired: bool
    """Whether the variance is that of a difference edit by edit."""


def planned_for(
    runs: Sequence[Checked],
    family: str,
    columns: Sequence[str],
    difference: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Planned:
    """What it takes to see `difference`, in percentage points.

    One run stands for two that vary as much and independently of each other: the variance of their
    difference is twice its own. Raises `BenchError` for no or more than two runs, for two that did
    not make the same edits, and for a run without edits.
    """
    if not 1 <= len(runs) <= 2:
        raise BenchError("the power of a comparison follows from one run or from two")
    found = [edit_values(run, family) for run in runs]
    one = found[0]
    empty = frozenset[str]().union(*(values.empty for values in found))
    if len(runs) == 2:
        same_edits(runs[0], runs[1], one, found[1])
    edits = len(one.cases)
    if not edits:
        raise BenchError("the run has made no edits yet, so it says nothing of their variance")
    factor = 100 * (1 if len(runs) == 2 else math.sqrt(2))
    moved = [influences(own.without(empty), own.clusters, own.columns, own.groups) for own in found]

    def wanted(name: str) -> Needed | None:
        sides = [own.get(name) for own in moved]
        given = [side for side in sides if side is not None]
        if len(given) < len(sides):
            return None
        spread = spread_of(given[0] - given[1] if len(given) == 2 else given[0], edits)
        if spread is None:
            return None
        return needed(spread.times(factor), difference, power=power, alpha=alpha)

    return Planned(
        {name: wanted(name) for name in columns},
        edits,
        len(set(one.clusters)),
        len(runs) == 2,
    )
