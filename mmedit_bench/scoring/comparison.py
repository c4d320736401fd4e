"""Two or more runs on the same edits, compared pair by pair in every column.

Of every pair and column: the paired difference with its interval, the permutation test, Holm's
correction over all pairs of that column, and the edits that went one way or the other. The same
corrected tests decide the rank intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mmedit_bench.errors import BenchError
from mmedit_bench.scoring.cells import label_of
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.edit_values import EditValues, edit_values
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.groups import Floats, Group, linear
from mmedit_bench.scoring.intervals import Estimate, differences, estimates
from mmedit_bench.scoring.paired import same_edits
from mmedit_bench.scoring.permutation import contributions, holm, sign_flip, swap
from mmedit_bench.scoring.ranks import Rank, rank_intervals

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Pair:
    """One run against another in one column, in percentage points."""

    first: str
    second: str
    column: str
    difference: Estimate
    """`first` minus `second`."""
    p: float
    """Two-sided, of the permutation test."""
    holm: float
    """The same after Holm's correction over all pairs of this column."""
    won: int
    """Edits on which `first` does better, by the column itself or by those parts of it that they have."""
    lost: int
    tied: int
    """With those won and lost, all edits that the column asks something of."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs of some runs, and the places that they leave to each."""

    names: tuple[str, ...]
    family: str
    columns: tuple[str, ...]
    """Those that all runs have numbers of."""
    labels: Mapping[str, str]
    """What was measured, by column."""
    values: Mapping[str, Mapping[str, Estimate]]
    """By column and run, in percent."""
    pairs: tuple[Pair, ...]
    """Column by column."""
    ranks: Mapping[str, Mapping[str, Rank]]
    """By column and run; jointly right in each column with confidence 1 - alpha."""
    edits: int
    clusters: int
    alpha: float


def compared(
    runs: Mapping[str, Checked],
    family: str = "generation",
    columns: Sequence[str] | None = None,
    *,
    alpha: float = ALPHA,
) -> Comparison:
    """Compare runs, by the names given, in the family's columns and means (or those named).

    A column that one of the runs cannot show is left out for all. Raises `BenchError` for fewer than
    two runs, an unknown column, and runs that did not make the same edits against the same baseline.
    """
    if len(runs) < 2:
        raise BenchError("a comparison needs at least two runs")
    measured = family_named(family)
    found = {name: edit_values(run, family) for name, run in runs.items()}
    (first, *others) = runs
    for other in others:
        same_edits(runs[first], runs[other], found[first], found[other])
    one = found[first]
    known = (*one.columns, *one.groups)
    if columns is not None and (unknown := [name for name in columns if name not in known]):
        raise BenchError(f"there is no column {unknown[0]!r}; choose among {', '.join(known)}")
    empty = frozenset[str]().union(*(values.empty for values in found.values()))
    tables = {name: values.without(empty) for name, values in found.items()}
    alone = {name: estimates(table, one.clusters, one.columns, one.groups) for name, table in tables.items()}
    shown = [name for name in columns or known if alone[first].get(name) is not None]
    pairs = _pairs(tables, one, shown)
    ranks = {
        column: rank_intervals(
            list(runs),
            {
                (pair.first, pair.second)
                if pair.difference.value > 0
                else (pair.second, pair.first): pair.holm
                for pair in pairs
                if pair.column == column
            },
            alpha=alpha,
        )
        for column in shown
    }
    return Comparison(
        names=tuple(runs),
        family=family,
        columns=tuple(shown),
        labels={name: label_of(measured, name) for name in shown},
        values={
            name: {run: own.times(100) for run in runs if (own := alone[run][name]) is not None}
            for name in shown
        },
        pairs=pairs,
        ranks=ranks,
        edits=len(one.cases),
        clusters=len(set(one.clusters)),
        alpha=alpha,
    )


def _pairs(tables: Mapping[str, Floats], one: EditValues, columns: Sequence[str]) -> tuple[Pair, ...]:
    found: dict[str, list[tuple[str, str, Estimate, float, tuple[int, int, int]]]] = {
        name: [] for name in columns
    }
    groups = one.groups
    flat = linear(groups)
    for first, second in combinations(tables, 2):
        mine, theirs = tables[first], tables[second]
        spans = differences(mine, theirs, one.clusters, one.columns, groups)
        parts = contributions(mine - theirs, one.clusters, one.columns, flat)
        votes = [by_edit(table, one.columns, groups) for table in (mine, theirs)]
        for name in columns:
            span, part = spans[name], parts.get(name)
            assert span is not None  # the same edits have it on both sides
            p = (
                swap(mine, theirs, one.clusters, one.columns, groups, name)
                if part is None
                else sign_flip(part)
            )
            tally = won_and_lost(votes[0][name] - votes[1][name])
            found[name].append((first, second, span.times(100), p, tally))
    return tuple(
        Pair(first, second, name, span, p, corrected, *tally)
        for name, rows in found.items()
        for (first, second, span, p, tally), corrected in zip(
            rows, holm([row[3] for row in rows]), strict=True
        )
    )


def by_edit(values: Floats, columns: Sequence[str], groups: Mapping[str, Group]) -> dict[str, Floats]:
    """Each edit's own value in every column and group, [edits]; `values` is [edits, columns] in [0, 1].

    A group is made of those of its parts that the edit has: no suite asks everything of every edit. NaN
    where an edit lacks the column or all parts; and for all edits where none has one of the parts, since
    the table as a whole has no number of that group either.
    """
    found = {name: values[:, place] for place, name in enumerate(columns)}
    nothing = np.full(len(values), np.nan)
    for name, group in groups.items():
        parts = [found.get(part, nothing) for part in group.parts]
        lacking = any(np.isnan(part).all() for part in parts)
        found[name] = nothing if lacking else _of_those_there(group, np.stack(parts))
    return found


def _of_those_there(group: Group, parts: Floats) -> Floats:
    """The group of [parts, edits], for each edit over those that are not NaN; NaN where all are."""
    there = ~np.isnan(parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        if group.harmonic:
            means: Floats = there.sum(axis=0) / np.where(there, 1 / parts, 0.0).sum(axis=0)
        else:
            means = np.where(there, parts, 0.0).sum(axis=0) / there.sum(axis=0)
    return means


def won_and_lost(votes: Floats) -> tuple[int, int, int]:
    """How many of these differences of edits are above 0, below it, and neither; NaN is none of them."""
    there = votes[~np.isnan(votes)]
    won, lost = int((there > _TIE).sum()), int((there < -_TIE).sum())
    return won, lost, len(there) - won - lost


_TIE = 1e-9
"""Means of the same numbers may differ in their last bits."""
