"""How many edits are needed to see a difference, from the variance that a run itself shows.

A mean over edits, and any smooth summary of means, is to first order a mean of independent influences,
one per cluster (the delta method). With their variance s^2 a difference d is seen with
probability `power` at the two-sided level `alpha` by

    n = (z_(1 - alpha/2) + z_power)^2 s^2 / d^2

clusters. That is the normal approximation: it holds where some ten clusters differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mmedit_bench.scoring.groups import Floats, Group, combined
from mmedit_bench.scoring.intervals import FEWEST

_NONE = 1e-18
"""Variance below which only the last bits of sums differ."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How much one cluster's influence on a mean varies, and how many edits a cluster brings."""

    variance: float
    clusters: int
    edits: float
    """Edits per cluster, on average, whether they have the column or not: what would have to be run."""

    def times(self, factor: float) -> Spread:
        """The same in other units."""
        return Spread(self.variance * factor * factor, self.clusters, self.edits)


@dataclass(frozen=True, slots=True)
class Needed:
    """What it takes to see a difference in one column."""

    clusters: int
    edits: int
    detectable: float
    """The smallest difference that as many clusters as there are would show, in the same units."""
    power: float
    """The chance that as many clusters as there are show the difference asked for."""


def influences(
    values: Floats,
    clusters: Sequence[str],
    columns: Sequence[str],
    groups: Mapping[str, Group],
) -> dict[str, Floats | None]:
    """How each cluster moves the number of every column and group of `values`: [clusters].

    `values` is [edits, columns] with NaN for what is missing. None where fewer than two clusters have
    it, or where a group lacks a part.
    """
    _, index = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    total = int(index.max()) + 1 if len(values) else 0
    points: dict[str, Floats] = {}
    found: dict[str, Floats | None] = {}
    for place, name in enumerate(columns):
        there = ~np.isnan(values[:, place])
        counts = np.bincount(index[there], minlength=total).astype(np.float64)
        found[name] = None
        if (counts > 0).sum() >= 2:
            sums = np.bincount(index[there], weights=values[there, place], minlength=total)
            points[name] = np.array([sums.sum() / counts.sum()])
            found[name] = (sums - counts * points[name]) / counts.sum()
    points = combined(points, groups)
    for name, group in groups.items():
        own = [found.get(part) for part in group.parts]
        given = [one for one in own if one is not None]
        found[name] = None
        if len(given) == len(own) > 0:
            slopes = group.slopes(np.concatenate([points[part] for part in group.parts]))
            found[name] = slopes @ np.stack(given)
    return found


def spread_of(influence: Floats | None, edits: int) -> Spread | None:
    """The spread of what has these influences, of a table of so many edits."""
    if influence is None:
        return None
    total = len(influence)
    return Spread(float(total**2 / (total - 1) * (influence**2).sum()), total, edits / total)


def needed(spread: Spread, difference: float, *, power: float = 0.8, alpha: float = 0.05) -> Needed | None:
    """Clusters and edits needed to see `difference`, in the units of the values.

    Never fewer clusters than an interval needs. None where all clusters agree: a run without variance
    says nothing of how much of it there is. Raises `ValueError` for a difference, power or level that
    is no such thing.
    """
    if not (difference > 0 and 0 < power < 1 and 0 < alpha < 1):
        raise ValueError("a difference is above 0, power and alpha lie between 0 and 1")
    if spread.variance <= _NONE:
        return None
    normal = NormalDist()
    level = normal.inv_cdf(1 - alpha / 2)
    reach = level + normal.inv_cdf(power)
    clusters = max(math.ceil(reach**2 * spread.variance / difference**2), FEWEST)
    error = math.sqrt(spread.variance / spread.clusters)
    at = difference / error
    chance = normal.cdf(at - level) + normal.cdf(-at - level)
    return Needed(clusters, math.ceil(clusters * spread.edits), max(reach, 0.0) * error, chance)
