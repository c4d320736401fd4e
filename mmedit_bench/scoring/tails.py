"""How much of its resamples an interval leaves out on either side: less where there are few clusters.

The plain percentile interval leaves out 2.5 % on either side. Over few clusters it is too short, twice
over: resamples of n clusters spread by sqrt((n - 1) / n) less than means of n others would, and they have
a normal distribution's tails and not those of Student's t. Of five clusters without any effect 16 in a
hundred such intervals leave out 0. The *expanded* percentile interval mends both (Hesterberg, What
Teachers Should Know About the Bootstrap, 2015, arXiv:1411.5279): with z and t the quantiles of the normal
and of Student's distribution of n - 1 degrees of freedom, it leaves out the normal distribution's share
beyond sqrt(n / (n - 1)) t in place of that beyond z. From a hundred clusters on the two are the same to
the eye.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np

LEVEL = 95
"""Percent of intervals that should contain what they are of."""
_MOST = 1e4
"""Beyond any quantile that is asked for here: 12.7 for one degree of freedom."""


@cache
def left_out(clusters: int) -> float:
    """The percentage of resamples below an interval over so many clusters, and that above it.

    Raises `ValueError` for fewer than two clusters, of which nothing varies.
    """
    if clusters < 2:
        raise ValueError(f"{clusters} clusters have no interval")
    reach = math.sqrt(clusters / (clusters - 1)) * student(clusters - 1)
    return 100 * NormalDist().cdf(-reach)


def student(freedom: int) -> float:
    """What Student's t of so many degrees of freedom stays within, either side of 0, in `LEVEL` percent."""
    low, high = 0.0, _MOST
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _within(middle, freedom) >= LEVEL / 100 else (middle, high)
    return (low + high) / 2


def _within(reach: float, freedom: int) -> float:
    """P(|t| <= reach): the finite sums for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 4)."""
    angle = math.atan(reach / math.sqrt(freedom))
    odd = freedom % 2
    k = np.arange(1, (freedom - odd) // 2)
    # odd: cos + 2/3 cos^3 + 2/3 4/5 cos^5 ...; even: 1 + 1/2 cos^2 + 1/2 3/4 cos^4 ...
    factors = (2 * k / (2 * k + 1) if odd else (2 * k - 1) / (2 * k)) * math.cos(angle) ** 2
    terms = 1 + float(np.cumprod(factors).sum())
    if not odd:
        return math.sin(angle) * terms
    return 2 / math.pi * (angle + (math.sin(angle) * math.cos(angle) * terms if freedom > 1 else 0.0))
