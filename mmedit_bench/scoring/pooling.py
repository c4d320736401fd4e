"""Means over several runs of one editor, such as over backbones and tasks."""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.intervals import SEED, Drawn, Estimate, averaged, between, drawn, estimated
from mmedit_bench.scoring.paired import same_edits


def pooled(
    runs: Sequence[Checked], family: str, against: Sequence[Checked] | None = None
) -> dict[str, Estimate | None]:
    """The mean over runs of each run's score, in percent, by column and group, with 95 % intervals.

    Every run has one vote, whatever its number of edits, and its groups are formed before it is given.
    With `against`, the mean of the paired differences, run by run. Runs are independent of each other,
    so each is resampled by itself. Columns are those that all of them have. Raises as `paired`.
    """
    parts: list[Drawn] = []
    for number, run in enumerate(runs):
        mine = edit_values(run, family)
        sides = [mine]
        if against is not None:
            theirs = edit_values(against[number], family)
            same_edits(run, against[number], mine, theirs)
            sides.append(theirs)
        empty = frozenset[str]().union(*(side.empty for side in sides))
        own = [
            drawn(side.without(empty), mine.clusters, mine.columns, mine.groups, seed=SEED + number)
            for side in sides
        ]
        parts.append(own[0] if against is None else between(*own))
    return {
        name: None if estimate is None else estimate.times(100)
        for name, estimate in estimated(averaged(parts)).items()
    }
