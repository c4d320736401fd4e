"""95 % intervals by the percentile bootstrap over clusters: an edit, or a sequence in all its orders.

What shares a cluster succeeds and fails together, so clusters are resampled, never edits or orders of
one sequence or probes of one edit: each of R resamples draws as many clusters as there are, with
replacement, every column is averaged over the edits in them, and the interval spans the 2.5th to the
97.5th percentile of those averages. Drawing is expressed as multinomial counts, which makes the whole
computation one matrix product.

A few clusters cannot say how far others would lie from them: below `FEWEST` there is no interval.
Where all edits agree the interval has no width. That says that the resamples cannot tell more, not
that the number is certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
SEED = 20240919
LEVEL = 95
FEWEST = 5
"""Clusters that an interval needs, at least."""


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
    groups: Mapping[str, Sequence[str]],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Estimate | None]:
    """Mean and interval of every column and group, in the units of `values`.

    `values` is [edits, columns], the mean over an edit's probes of that column, NaN where an edit
    has none; `clusters` names each edit's cluster. An edit has one vote in a column, however many
    probes it brings. A group averages columns or earlier groups, inside every resample, so that its
    interval reflects that all of them come from the same edits. None where nothing was measured, or
    where a group lacks a part; without bounds where a column, or a part of a group, was measured in
    fewer than `FEWEST` clusters. The order of the edits does not matter.
    """
    return _estimated(_draws(values, clusters, columns, resamples, seed), groups)


def pooled(
    parts: Sequence[tuple[Floats, Sequence[str]]],
    columns: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Estimate | None]:
    """The mean over parts of each part's mean, with its interval: every part has one vote.

    A part is values and clusters as `estimates` takes them, `columns` being the same in all. Parts are
    independent of each other, so each is resampled by itself. None where one of them measured nothing;
    without bounds where one of them has too few clusters.
    """
    drawn = [_draws(*part, columns, resamples, seed + number) for number, part in enumerate(parts)]
    behind = {name: min((own.behind[name] for own in drawn), default=0) for name in columns}
    if not drawn:
        return dict.fromkeys((*columns, *groups))
    points = {name: np.mean([own.points[name] for own in drawn], axis=0) for name in columns}
    samples = {
        name: np.mean(np.broadcast_arrays(*(own.samples[name] for own in drawn)), axis=0) for name in columns
    }
    return _estimated(_Draws(points, samples, behind), groups)


class _Draws(NamedTuple):
    """By column: its mean [1], its mean in each resample, and in how many clusters it was measured."""

    points: dict[str, Floats]
    samples: dict[str, Floats]
    behind: dict[str, int]


def _draws(
    values: Floats, clusters: Sequence[str], columns: Sequence[str], resamples: int, seed: int
) -> _Draws:
    order = sorted(range(len(values)), key=lambda row: (clusters[row], *np.nan_to_num(values[row], nan=-1.0)))
    values = values[order]
    names = [clusters[row] for row in order]
    if not names:
        nothing = {name: np.full(1, np.nan) for name in columns}
        return _Draws(dict(nothing), dict(nothing), dict.fromkeys(columns, 0))
    point, sample = resampled(values, names, names, resamples=resamples, seed=seed)
    present = ~np.isnan(values)
    return _Draws(
        points={name: point[place : place + 1] for place, name in enumerate(columns)},
        samples={name: sample[:, place] for place, name in enumerate(columns)},
        behind={
            name: len({cluster for cluster, own in zip(names, present[:, place], strict=True) if own})
            for place, name in enumerate(columns)
        },
    )


def _estimated(draws: _Draws, groups: Mapping[str, Sequence[str]]) -> dict[str, Estimate | None]:
    """The estimates of all columns, and of groups, which are averaged inside every resample."""
    points, samples, behind = draws
    for name, parts in groups.items():
        complete = all(part in points for part in parts)
        for table in (points, samples):
            table[name] = np.mean([table[part] for part in parts], axis=0) if complete else np.full(1, np.nan)
        behind[name] = min((behind.get(part, 0) for part in parts), default=0)
    return {
        name: _estimate(float(points[name][0]), samples[name], wide=behind[name] >= FEWEST) for name in points
    }


def differences(
    values: Floats,
    others: Floats,
    clusters: Sequence[str],
    columns: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Estimate | None]:
    """Mean difference `values` - `others` of every column and group with its paired interval.

    Row k of both belongs to the same edit. Both are averaged over the same edits in every
    resample, so what makes an edit hard for both does not widen the interval. Otherwise as
    `estimates`. Raises `ValueError` if the two differ in shape or in what they measured.
    """
    if values.shape != others.shape or (np.isnan(values) != np.isnan(others)).any():
        raise ValueError("a paired comparison needs the same edits and the same probes on both sides")
    # columns, groups and differences of means are linear, so the difference can be taken first
    return estimates(values - others, clusters, columns, groups, resamples=resamples, seed=seed)


def _means(counts: Floats, values: Floats) -> Floats:
    """[resamples, columns] averages over the edits that have the column; NaN where none was drawn."""
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        # NaN * 0 is NaN, so the gaps are filled before the product and left out of the divisor.
        result: Floats = (counts @ np.where(present, values, 0.0)) / (counts @ present.astype(np.float64))
    return result


def _estimate(value: float, sample: Floats, *, wide: bool) -> Estimate | None:
    if np.isnan(value):
        return None
    if not wide:
        return Estimate(value, None, None)
    seen = sample[~np.isnan(sample)]  # a rare stratum may be absent from some resamples
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(seen, [tail, 100 - tail]) if len(seen) else (value, value)
    # With a handful of edits the percentiles can miss the mean by rounding or by coarse steps.
    return Estimate(value, min(float(low), value), max(float(high), value))


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
    return _estimate(float(value), sample, wide=clusters >= FEWEST)
