"""95 % intervals by the bootstrap over clusters: an edit, or a sequence in all its orders.

What shares a cluster succeeds and fails together, so clusters are resampled, never edits or orders of
one sequence or probes of one edit: each of R resamples draws as many clusters as there are, with
replacement, every column is averaged over the edits in them, and the interval spans those averages
between two percentiles, which lie further out the fewer clusters there are (`tails`). Drawing is
expressed as multinomial counts, which makes the whole computation one matrix product.

A few clusters cannot say how far others would lie from them: below `FEWEST` there is no interval.
Where all edits agree the interval has no width. That says that the resamples cannot tell more, not
that the number is certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmedit_bench.scoring.groups import Floats, Group, combined, linear
from mmedit_bench.scoring.tails import left_out

RESAMPLES = 2000
SEED = 20240919
METHOD = "expanded percentile, by cluster of units"
FEWEST = 5
"""Clusters that an interval needs, at least."""
_LAST_BITS = 1e-12
"""A difference of two shares below which only sums of the same numbers in another order differ."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval, in the units of the values. `low <= value <= high`.

    Both bounds are None where there are too few clusters for an interval.
    """

    value: float
    low: float | None
    high: float | None

    def times(self, factor: float) -> Estimate:
        """The same in other units; `factor` is positive."""
        if self.low is None or self.high is None:
            return Estimate(factor * self.value, None, None)
        return Estimate(factor * self.value, factor * self.low, factor * self.high)


@lru_cache(maxsize=16)
def resample_counts(clusters: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """How often each cluster is drawn in each resample: [resamples, clusters], rows sum to `clusters`.

    The same for every editor with as many clusters, so that rows of a table are resampled in step.
    """
    draws = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    counts = draws.astype(np.float64)
    counts.flags.writeable = False  # shared by all callers
    return counts


def estimates(
    values: Floats,
    clusters: Sequence[str],
    columns: Sequence[str],
    groups: Mapping[str, Group],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Estimate | None]:
    """Mean and interval of every column and group, in the units of `values`.

    `values` is [edits, columns], the mean over an edit's probes of that column, NaN where an edit
    has none; `clusters` names each edit's cluster. An edit has one vote in a column, however many
    probes it brings. A group combines columns or earlier groups, inside every resample, so that its
    interval reflects that all of them come from the same edits. None where nothing was measured, or
    where a group lacks a part; without bounds where a column, or a part of a group, was measured in
    fewer than `FEWEST` clusters. The order of the edits does not matter.
    """
    return estimated(drawn(values, clusters, columns, groups, resamples=resamples, seed=seed))


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a table of edits comes to, by column and group, as it is and in every resample.

    Those of two tables with the same clusters and seed are in step.
    """

    points: Mapping[str, Floats]
    """[1]."""
    samples: Mapping[str, Floats]
    """[resamples]; [1], and NaN, where there is none."""
    behind: Mapping[str, int]
    """In how many clusters it, or the part of it that was measured in the fewest, was measured."""

    def only(self, names: Sequence[str]) -> Drawn:
        """Some columns and groups."""
        return Drawn(
            {name: self.points[name] for name in names},
            {name: self.samples[name] for name in names},
            {name: self.behind[name] for name in names},
        )


def drawn(
    values: Floats,
    clusters: Sequence[str],
    columns: Sequence[str],
    groups: Mapping[str, Group],
    *,
    among: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Drawn:
    """The means of a table's columns, and its groups, over all clusters and over each resample.

    The arguments are those of `estimates`; `among`, the clusters that are resampled, of which a table
    that is to be in step with others has not all. By default they are its own.
    """
    order = sorted(range(len(values)), key=lambda row: (clusters[row], *np.nan_to_num(values[row], nan=-1.0)))
    values = values[order]
    names = [clusters[row] for row in order]
    if not names:
        nothing = {name: np.full(1, np.nan) for name in (*columns, *groups)}
        return Drawn(nothing, nothing, dict.fromkeys(nothing, 0))
    point, sample = resampled(values, names, among or names, resamples=resamples, seed=seed)
    present = ~np.isnan(values)
    behind = {
        name: len({cluster for cluster, own in zip(names, present[:, place], strict=True) if own})
        for place, name in enumerate(columns)
    }
    for name, group in groups.items():
        behind[name] = min(behind.get(part, 0) for part in group.parts)
    return Drawn(
        combined({name: point[place : place + 1] for place, name in enumerate(columns)}, groups),
        combined({name: sample[:, place] for place, name in enumerate(columns)}, groups),
        behind,
    )


def between(one: Drawn, other: Drawn) -> Drawn:
    """`one` minus `other`, column by column and group by group, inside each resample.

    Both are of the same edits, so what makes an edit hard for both does not widen the interval.
    """

    def minus(mine: Floats, theirs: Floats) -> Floats:
        delta = mine - theirs
        return np.where(np.abs(delta) < _LAST_BITS, 0.0, delta)

    names = [name for name in one.points if name in other.points]
    return Drawn(
        {name: minus(one.points[name], other.points[name]) for name in names},
        {name: minus(one.samples[name], other.samples[name]) for name in names},
        {name: min(one.behind[name], other.behind[name]) for name in names},
    )


def averaged(several: Sequence[Drawn]) -> Drawn:
    """The mean over tables of each table's number, for the columns and groups of all of them.

    Every table has one vote. Those of independent tables are drawn with seeds of their own, those that
    share clusters in step.
    """
    names = [name for name in several[0].points if all(name in own.points for own in several)]

    def mean(tables: Sequence[Mapping[str, Floats]], name: str) -> Floats:
        return np.asarray(np.mean(np.broadcast_arrays(*(own[name] for own in tables)), axis=0))

    return Drawn(
        {name: mean([own.points for own in several], name) for name in names},
        {name: mean([own.samples for own in several], name) for name in names},
        {name: min(own.behind[name] for own in several) for name in names},
    )


def estimated(found: Drawn) -> dict[str, Estimate | None]:
    """Every number with the interval of its resamples, as `estimates` gives it."""
    return {
        name: spanned(float(point[0]), found.samples[name], found.behind[name])
        for name, point in found.points.items()
    }


def differences(
    values: Floats,
    others: Floats,
    clusters: Sequence[str],
    columns: Sequence[str],
    groups: Mapping[str, Group],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Estimate | None]:
    """`values` - `others` in every column and group, each with its paired interval.

    Row k of both belongs to the same edit. Both are averaged over the same edits in every
    resample, so what makes an edit hard for both does not widen the interval. Otherwise as
    `estimates`. Raises `ValueError` if the two differ in shape or in what they measured.
    """
    if values.shape != others.shape or (np.isnan(values) != np.isnan(others)).any():
        raise ValueError("a paired comparison needs the same edits and the same probes on both sides")
    # of what is linear the difference can be taken first: once instead of on both sides, and exact
    flat = linear(groups)
    found = estimates(values - others, clusters, columns, flat, resamples=resamples, seed=seed)
    if len(flat) < len(groups):
        one, other = (
            drawn(side, clusters, columns, groups, resamples=resamples, seed=seed)
            for side in (values, others)
        )
        found |= {name: own for name, own in estimated(between(one, other)).items() if name not in found}
    return found


def _means(counts: Floats, values: Floats) -> Floats:
    """[resamples, columns] averages over the edits that have the column; NaN where none was drawn."""
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        # NaN * 0 is NaN, so the gaps are filled before the product and left out of the divisor.
        result: Floats = (counts @ np.where(present, values, 0.0)) / (counts @ present.astype(np.float64))
    return result


def resampled(
    values: Floats,
    clusters: Sequence[str],
    among: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[Floats, Floats]:
    """Column means of `values` and of each resample of the clusters `among`: [columns], [resamples, columns].

    For numbers that are made of several tables: whatever is resampled among the same clusters is
    resampled in step. NaN where a column has nothing.
    """
    place = {name: at for at, name in enumerate(sorted(set(among)))}
    if not place:
        return np.full(values.shape[1], np.nan), np.full((resamples, values.shape[1]), np.nan)
    index = [place[name] for name in clusters]
    counts = resample_counts(len(place), resamples=resamples, seed=seed)[:, index]
    return _means(np.ones((1, len(values))), values)[0], _means(counts, values)


def spanned(value: float, sample: Floats, clusters: int) -> Estimate | None:
    """A number with the interval of its resamples; without bounds for fewer than `FEWEST` clusters."""
    if np.isnan(value):
        return None
    if clusters < FEWEST:
        return Estimate(float(value), None, None)
    seen = sample[~np.isnan(sample)]  # a rare stratum may be absent from some resamples
    out = left_out(clusters)
    low, high = np.percentile(seen, [out, 100 - out]) if len(seen) else (value, value)
    # With a handful of edits the percentiles can miss the mean by rounding or by coarse steps.
    return Estimate(float(value), min(float(low), float(value)), max(float(high), float(value)))
