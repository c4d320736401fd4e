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
    sequences of them): runs that made some of the same, on another backbone or in longer sequences, are
    resampled in step, because an edit that is hard on one is hard on the other; runs that share none, each
    by itself. Sequences of one run that those of another tie together are resampled as one, so that
    bounds can be missing that the run alone has. Columns are those that all of them have. Raises as `paired`.
    """
    tables = [edit_values(run, family) for run in runs]
    named = _named([run.state.manifest.spec.suite for run in runs], tables)
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


def _named(suites: Sequence[str], tables: Sequence[EditValues]) -> list[list[str]]:
    """For each table and row the name of what is resampled with it; `suites` are those of the tables.

    It goes by cases, for sequences of any two runs are both called the first. Clusters of any tables that
    share a case of one suite, or are tied by others that do, bear one name: a sequence of 10 lies in that of
    20 which was drawn from the same cases. Two clusters of one table that another table ties together are
    one as well, for they are drawn where that one is. An edit that is made alone everywhere keeps its own.
    """
    held: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for number, (suite, table) in enumerate(zip(suites, tables, strict=True)):
        for cluster, case in zip(table.clusters, table.cases, strict=True):
            held[number, cluster].add(f"{suite} {case}")
    tied: dict[str, set[str]] = {}
    for cases in held.values():
        together = cases.union(*(tied[case] for case in cases if case in tied))
        tied.update(dict.fromkeys(together, together))
    names = {case: min(together) for case, together in tied.items()}
    return [
        [names[f"{suite} {case}"] for case in table.cases]
        for suite, table in zip(suites, tables, strict=True)
    ]


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
