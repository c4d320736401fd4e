"""Pairs of runs on the edits that both made: the paired differences of `scoring.comparison`, for a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from leaderboard.site.details_block import Edits
from leaderboard.site.details_reading import Floats
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.groups import groups_of
from mmedit_bench.scoring.intervals import Drawn, Estimate, between, drawn, estimated


@dataclass(frozen=True, slots=True)
class Pair:
    """One run against another, in percentage points."""

    edits: int
    """Edits that both made."""
    clusters: int
    """What was resampled."""
    differences: Mapping[str, Estimate]
    """By column and mean, the first minus the second with its paired interval."""


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
    known: dict[tuple[int, bytes], Drawn] = {}
    groups = groups_of(edits.columns)
    alike = list(zip(edits.groups, edits.schedules, strict=True))

    def means(run: int, table: Floats, rows: list[int], shared: bytes) -> Drawn:
        if (run, shared) not in known:
            clusters = [edits.clusters[row] for row in rows]
            known[run, shared] = drawn(table[rows], clusters, edits.columns, groups)
        return known[run, shared]

    found = {}
    for first, second in combinations(range(len(tables)), 2):
        mine, theirs = tables[first], tables[second]
        if mine is None or theirs is None or alike[first] != alike[second]:
            continue
        both = (edits.places[first] >= 0) & (edits.places[second] >= 0)
        rows = np.flatnonzero(both).tolist()
        if rows:
            shared = both.tobytes()
            delta = between(means(first, mine, rows, shared), means(second, theirs, rows, shared))
            found[first, second] = Pair(
                len(rows), len({edits.clusters[row] for row in rows}),
                {name: span.times(100) for name, span in estimated(delta).items() if span is not None},
            )  # fmt: skip
    return found
