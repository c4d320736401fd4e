"""Places of many editors at once: pairwise tests that stay sharp when there are hundreds.

Holm's correction over all pairs asks of a Monte-Carlo test more decimals than it has as soon as there
are some fifty editors, and then tells nobody apart. Here all pairs are tested against one threshold:
the 95th percentile, over random flips of sign, of the largest studentised difference among all pairs
(the single step of Westfall and Young, 1993, with the statistic of Tukey's range test). A flip turns
the sign of a cluster's differences for all pairs alike, so what is common to pairs is kept. Clearly
different pairs leave places as in `ranks` (Neuhof and Benjamini 2026, arXiv 2606.08679).

A summary that is no mean (`hard`) is no sum over clusters. Its exact test would swap results and form
the summary anew for every pair and every swap (`permutation.swap`). Here a pair's difference is
linearised: the slopes of the summary half way between the two, times what each cluster adds to the
difference of each part. Of a harmonic mean that misses the difference itself by terms of third order,
and what one cluster out of some hundred moves by far less; `tests/scoring/test_hard.py` holds both tests
to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.scoring.groups import Floats, Group
from mmedit_bench.scoring.intervals import FEWEST, SEED
from mmedit_bench.scoring.ranks import Rank

DRAWS = 2000
"""Random flips: the threshold is then known to about one percent."""
_EQUAL = 1e-12
"""Squared length of a difference below which two editors are the same."""
_NEAR = 1e-9
"""Relative: a difference that only reaches the threshold is not beyond it."""


def places(
    parts: Mapping[str, Floats], summary: Group, *, alpha: float = 0.05, seed: int = SEED
) -> dict[str, Rank]:
    """The rank interval of every editor by a summary, all right at once with confidence 1 - alpha.

    `parts` has, by editor, what each cluster contributes to each part of the summary
    (`permutation.contributions`): [parts, clusters], in one order of clusters for all. With fewer than
    `FEWEST` clusters nobody is told apart. Raises `ValueError` for editors with different numbers of
    clusters.
    """
    names = list(parts)
    if not names:
        return {}
    if len({own.shape for own in parts.values()}) > 1:
        raise ValueError("editors have different numbers of clusters")
    table = np.stack([parts[name] for name in names])
    enough = table.shape[2] >= FEWEST
    clearly = _clearly(table, summary, alpha, seed) if enough else np.zeros((len(names),) * 2, bool)
    ahead, behind = clearly.sum(axis=0), clearly.sum(axis=1)
    return {
        name: Rank(1 + int(ahead[place]), len(names) - int(behind[place])) for place, name in enumerate(names)
    }


def _clearly(table: Floats, summary: Group, alpha: float, seed: int) -> NDArray[np.bool_]:
    """[i, j]: whether editor i is clearly better than editor j. `table` is [editors, parts, clusters]."""
    if not summary.harmonic:  # a mean is its own only part
        table, summary = summary.of(np.moveaxis(table, 1, 0))[:, None], Group(summary.parts[:1])
    points = table.sum(axis=2)
    slopes = summary.slopes((points[:, None] + points[None]) / 2)
    gram = np.einsum("ajc,blc->abjl", table, table, optimize=True)
    own = gram[np.arange(len(table)), np.arange(len(table))]
    covered = own[:, None] + own[None] - gram - np.swapaxes(gram, 0, 1)
    squares = np.einsum("abj,abl,abjl->ab", slopes, slopes, covered, optimize=True)
    differ = squares > _EQUAL
    scale = np.where(differ, np.sqrt(np.where(differ, squares, 1.0)), np.inf)

    def apart(sums: Floats) -> Floats:
        """The studentised differences of all pairs, from each editor's sums, [editors, parts]."""
        return np.asarray(np.einsum("abj,abj->ab", slopes, sums[:, None] - sums[None]) / scale)

    rng = np.random.default_rng(seed)
    largest = []
    for begin in range(0, DRAWS, 100):
        signs = 2.0 * rng.integers(0, 2, size=(min(100, DRAWS - begin), table.shape[2])) - 1.0
        flipped = np.einsum("dc,ajc->daj", signs, table, optimize=True)
        largest.append(np.array([np.abs(apart(sums)).max(initial=0.0) for sums in flipped]))
    threshold = float(np.quantile(np.concatenate(largest), 1 - alpha, method="higher"))
    found: NDArray[np.bool_] = apart(points) > threshold * (1 + _NEAR)
    return found


def neighbours(parts: Sequence[Floats], summary: Group) -> list[tuple[float, float]]:
    """For neighbours in an order by a summary: their difference, and how one cluster moves it.

    `parts` are as in `places`, the best first. The second number is the variance of `power.Spread`.
    """
    found = []
    for better, worse in pairwise(parts):
        points = better.sum(axis=1), worse.sum(axis=1)
        slopes = summary.slopes((points[0] + points[1]) / 2)
        own = slopes @ (better - worse)
        total = len(own)
        centred = own - own.mean()
        variance = float(total**2 / (total - 1) * (centred**2).sum()) if total > 1 else 0.0
        first, second = (summary.of(list(one[:, None])) for one in points)
        found.append((float((first - second)[0]), variance))
    return found
