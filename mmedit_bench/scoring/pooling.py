"""Means over several runs of one editor, such as over backbones and tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.edit_values import EditValues, edit_values
from mmedit_bench.scoring.intervals import SEED, Drawn, Estimate, averaged, between, drawn, estimated
from mmedit_bench.scoring.paired import same_edits


def pooled(
    runs: Sequence[Checked], family: str, against: Sequence[Checked] | None = None
) -> dict[str, Estimate | None]:
    """The mean over runs of each run's score, in percent, by column and group, with 95 % intervals.

    Every run has one vote, whatever its number of edits, and its groups are formed before it is given.
    With `against`, the mean of the paired differences, run by run. What is resampled are the edits (or
    sequences of them): runs that made some of the same, on another backbone, are resampled in step,
    because an edit that is hard on one is hard on the other; runs that share none, each by itself.
    Columns are those that all of them have. Raises as `paired`.
    """
    tables = [edit_values(run, family) for run in runs]
    named = [_named(run, table) for run, table in zip(runs, tables, strict=True)]
    steps = _in_step([frozenset(names) for names in named])
    parts: list[Drawn] = []
    for number, (run, mine) in enumerate(zip(runs, tables, strict=True)):
        sides = [mine]
        if against is not None:
            theirs = edit_values(against[number], family)
            same_edits(run, against[number], mine, theirs)
            sides.append(theirs)
        empty = frozenset[str]().union(*(side.empty for side in sides))
        first = steps[number][0]
        among = sorted({name for other in steps[number] for name in named[other]})
        own = [
            drawn(
                side.without(empty), named[number], mine.columns, mine.groups, among=among, seed=SEED + first
            )
            for side in sides
        ]
        parts.append(own[0] if against is None else between(*own))
    return {
        name: None if estimate is None else estimate.times(100)
        for name, estimate in estimated(averaged(parts)).items()
    }


def _named(run: Checked, table: EditValues) -> list[str]:
    """For each row its cluster, by what is in it: sequences of two runs are both called the first."""
    held: dict[str, set[str]] = defaultdict(set)
    for cluster, case in zip(table.clusters, table.cases, strict=True):
        held[cluster].add(case)
    suite = run.state.manifest.spec.suite
    names = {cluster: " ".join([suite, *sorted(cases)]) for cluster, cases in held.items()}
    return [names[cluster] for cluster in table.clusters]


def _in_step(clusters: Sequence[frozenset[str]]) -> list[list[int]]:
    """For each table, the tables that it shares clusters with, or that share some with those, in order."""
    together = [[number] for number in range(len(clusters))]
    for number, own in enumerate(clusters):
        for other in range(number):
            if own & clusters[other] and together[number] is not together[other]:
                joint = sorted({*together[number], *together[other]})
                for member in joint:
                    together[member] = joint
    return together
