"""Means over several runs of one editor, such as over backbones and tasks."""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.scoring import intervals
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.edit_values import GROUPS, edit_values
from mmedit_bench.scoring.intervals import Estimate, Floats
from mmedit_bench.scoring.paired import same_edits


def pooled(
    runs: Sequence[Checked], family: str, against: Sequence[Checked] | None = None
) -> dict[str, Estimate | None]:
    """The mean over runs of each run's score, in percent, by column and group, with 95 % intervals.

    Every run has one vote, whatever its number of edits. With `against`, the mean of the paired
    differences, run by run. Columns are those that all of them have. Raises as `paired`.
    """
    parts: list[tuple[Floats, Sequence[str], tuple[str, ...]]] = []
    for number, run in enumerate(runs):
        mine = edit_values(run, family)
        if against is None:
            values = mine.without(mine.empty)
        else:
            theirs = edit_values(against[number], family)
            same_edits(run, against[number], mine, theirs)
            empty = mine.empty | theirs.empty
            values = mine.without(empty) - theirs.without(empty)
        parts.append((values, mine.clusters, mine.columns))
    columns = [name for name in parts[0][2] if all(name in own for *_, own in parts)]
    chosen = [(values[:, [own.index(name) for name in columns]], names) for values, names, own in parts]
    found = intervals.pooled(chosen, columns, GROUPS)
    return {name: None if estimate is None else estimate.times(100) for name, estimate in found.items()}
