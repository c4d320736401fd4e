"""Pairs of runs on the edits that both made: the paired differences of `scoring.comparison`, for a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from leaderboard.site.details_block import Edits
from leaderboard.site.details_reading import Floats
from mmedit_bench.scoring.edit_values import GROUPS
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.intervals import Estimate, resampled, spanned


@dataclass(frozen=True, slots=True)
class Pair:
    """One run against another, in percentage points."""

    edits: int
    """Edits that both made."""
    clusters: int
    """What was resampled."""
    differences: Mapping[str, Estimate]
    """By column and mean, the first minus the second with its paired interval."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A run's means over some edits: [1], and in each resample of their clusters, by column and mean."""

    points: Mapping[str, float]
    samples: Mapping[str, Floats]
    behind: Mapping[str, int]
    """Clusters behind each."""


def values_of(edits: Edits, family: str) -> list[Floats | None]:
    """By run [edits, columns] in [0, 1], NaN for edits that it did not make and for columns that it does
    not fill; None for a run whose numbers by this family do not count."""
    found: list[Floats | None] = []
    for row, run, places in zip(edits.block.rows, edits.runs, edits.places, strict=True):
        own = run.values.get(family)
        if own is None or not len(own) or not row.entry.shows(family) or np.isnan(own).all():
            found.append(None)
            continue
        # a probe that a route answered has no tokens: no number is better than one of the others
        empty = (np.isnan(own) & ~np.isnan(run.values[HEADLINE_FAMILY])).any(axis=0)
        table = np.full((len(edits.rows), own.shape[1]), np.nan)
        made = places >= 0
        table[made] = np.where(empty, np.nan, own[places[made]])
        found.append(table)
    return found


def pairs_of(edits: Edits, tables: Sequence[Floats | None]) -> dict[tuple[int, int], Pair]:
    """All pairs of runs that can be compared, by their places in the block."""
    drawn: dict[tuple[int, bytes], Drawn] = {}

    def means(run: int, table: Floats, rows: list[int], shared: bytes) -> Drawn:
        if (run, shared) not in drawn:
            drawn[run, shared] = draw(table[rows], [edits.clusters[row] for row in rows], edits.columns)
        return drawn[run, shared]

    found = {}
    for first, second in combinations(range(len(tables)), 2):
        mine, theirs = tables[first], tables[second]
        if mine is None or theirs is None or edits.groups[first] != edits.groups[second]:
            continue
        both = (edits.places[first] >= 0) & (edits.places[second] >= 0)
        rows = np.flatnonzero(both).tolist()
        if rows:
            shared = both.tobytes()
            found[first, second] = Pair(
                len(rows), len({edits.clusters[row] for row in rows}),
                difference(means(first, mine, rows, shared), means(second, theirs, rows, shared)),
            )  # fmt: skip
    return found


def draw(table: Floats, clusters: Sequence[str], columns: Sequence[str]) -> Drawn:
    """Means of [edits, columns] and of each resample, which is the same for all runs of these edits."""
    point, sample = resampled(table, clusters, clusters)
    names = np.asarray(clusters)
    there = ~np.isnan(table)
    behind = {name: len(np.unique(names[there[:, place]])) for place, name in enumerate(columns)}
    points = {name: float(point[place]) for place, name in enumerate(columns)}
    samples: dict[str, Floats] = {name: sample[:, place] for place, name in enumerate(columns)}
    for name, parts in GROUPS.items():
        points[name] = float(np.mean([points[part] for part in parts]))
        samples[name] = np.mean([samples[part] for part in parts], axis=0)
        behind[name] = min(behind[part] for part in parts)
    return Drawn(points, samples, behind)


def difference(one: Drawn, other: Drawn) -> dict[str, Estimate]:
    """Of means that were drawn in step; nothing for what one of the two did not measure."""
    found = {}
    for name, point in one.points.items():
        value = point - other.points[name]
        if not np.isnan(value):
            span = spanned(value, one.samples[name] - other.samples[name], one.behind[name])
            assert span is not None  # the value is a number
            found[name] = span.times(100)
    return found
