"""Places of many editors at once: pairwise tests that stay sharp when there are hundreds.

Holm's correction over all pairs asks of a Monte-Carlo test more decimals than it has as soon as there
are some fifty editors, and then tells nobody apart. Here all pairs are tested against one threshold:
the 95th percentile, over random flips of sign, of the largest studentised difference among all pairs
(the single step of Westfall and Young, 1993, with the statistic of Tukey's range test). A flip turns
the sign of a cluster's differences for all pairs alike, so what is common to pairs is kept. Clearly
different pairs leave places as in `ranks` (Neuhof and Benjamini 2026, arXiv 2606.08679).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.scoring.intervals import FEWEST, SEED
from mmedit_bench.scoring.ranks import Rank

Floats = NDArray[np.float64]

DRAWS = 2000
"""Random flips: the threshold is then known to about one percent."""
_EQUAL = 1e-12
"""Squared length of a difference below which two editors are the same."""


def places(parts: Mapping[str, Floats], *, alpha: float = 0.05, seed: int = SEED) -> dict[str, Rank]:
    """The rank interval of every editor by its mean, all right at once with confidence 1 - alpha.

    `parts` has, by editor, what each cluster contributes to its mean (`permutation.contributions`),
    in one order of clusters for all. With fewer than `FEWEST` clusters nobody is told apart. Raises
    `ValueError` for editors with different numbers of clusters.
    """
    names = list(parts)
    if not names:
        return {}
    if len({len(own) for own in parts.values()}) > 1:
        raise ValueError("editors have different numbers of clusters")
    table = np.stack([parts[name] for name in names])
    clearly = _clearly(table, alpha, seed) if table.shape[1] >= FEWEST else np.zeros((len(names),) * 2, bool)
    ahead, behind = clearly.sum(axis=0), clearly.sum(axis=1)
    return {
        name: Rank(1 + int(ahead[place]), len(names) - int(behind[place])) for place, name in enumerate(names)
    }


def _clearly(table: Floats, alpha: float, seed: int) -> NDArray[np.bool_]:
    """[i, j]: whether editor i is clearly better than editor j. `table` is [editors, clusters]."""
    gram = table @ table.T
    squares = np.diag(gram)[:, None] + np.diag(gram)[None, :] - 2 * gram
    differ = squares > _EQUAL
    scale = np.where(differ, np.sqrt(np.where(differ, squares, 1.0)), np.inf)
    means = table.sum(axis=1)
    rng = np.random.default_rng(seed)
    largest = []
    for begin in range(0, DRAWS, 100):
        signs = 2.0 * rng.integers(0, 2, size=(min(100, DRAWS - begin), table.shape[1])) - 1.0
        flipped = signs @ table.T
        largest.append(
            np.array([(np.abs(row[:, None] - row[None, :]) / scale).max(initial=0.0) for row in flipped])
        )
    threshold = float(np.quantile(np.concatenate(largest), 1 - alpha, method="higher"))
    found: NDArray[np.bool_] = (means[:, None] - means[None, :]) / scale > threshold
    return found


def neighbours(parts: Sequence[Floats]) -> list[tuple[float, float]]:
    """For neighbours in an order by mean: their difference, and how one cluster's influence on it varies.

    `parts` is as in `places`, the best first; the variance is that of `power.Spread`.
    """
    found = []
    for better, worse in pairwise(parts):
        own = better - worse
        total = len(own)
        centred = own - own.mean()
        variance = float(total**2 / (total - 1) * (centred**2).sum()) if total > 1 else 0.0
        found.append((float(own.sum()), variance))
    return found
