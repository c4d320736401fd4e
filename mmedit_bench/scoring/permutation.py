"""Paired permutation tests between two editors, and Holm's correction for many of them.

If two editors are alike, then which of the two an edit's difference speaks for is a matter of chance:
its sign may be flipped. What shares a cluster is flipped together, for it succeeds and fails together.
The p-value is the share of sign patterns whose mean difference is at least as far from zero as the
one observed (two-sided). All patterns are counted where there are few; otherwise a fixed, seeded
number of them is drawn, and the observed one counts among them, so that no p is zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.scoring.intervals import SEED

Floats = NDArray[np.float64]

EXACT = 14
"""Clusters that differ, up to which all sign patterns are counted: at most 2^14 of them."""
DRAWS = 20_000
"""Sign patterns drawn beyond that: a p-value of 0.05 is then known to about 0.0015."""
_NEAR = 1e-9
"""Relative: sums of the same numbers in another order count as equal."""


def contributions(
    values: Floats,
    clusters: Sequence[str],
    columns: Sequence[str],
    groups: Mapping[str, Sequence[str]],
) -> dict[str, Floats | None]:
    """What each cluster adds to the mean of every column and group: [clusters], in order of their names.

    `values` is [edits, columns] with NaN for what an edit lacks, as in `intervals.estimates`; the sum
    of a column's contributions is its mean. None where nothing was measured, or a group lacks a part.
    """
    _, index = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    count = int(index.max()) + 1 if len(values) else 0
    found: dict[str, Floats | None] = {}
    for place, name in enumerate(columns):
        column = values[:, place]
        there = ~np.isnan(column)
        if there.any():
            sums = np.bincount(index[there], weights=column[there], minlength=count)
            found[name] = sums / there.sum()
        else:
            found[name] = None
    for name, parts in groups.items():
        own = [found.get(part) for part in parts]
        given = [part for part in own if part is not None]
        found[name] = np.mean(given, axis=0) if len(given) == len(own) > 0 else None
    return found


def sign_flip(parts: Floats, *, exact: int = EXACT, draws: int = DRAWS, seed: int = SEED) -> float:
    """The two-sided p-value of a mean difference, from what each cluster contributes to it.

    1 where no cluster differs. Neither the order of the clusters, nor those without a difference, nor
    which of the two editors comes first matter.
    """
    # sizes in order: whatever the pair is called, the same differences meet the same draws
    moving = np.sort(np.abs(parts[parts != 0]))
    largest = moving[-1] if len(moving) else 1.0
    moving = moving / largest
    observed = abs(float(parts.sum())) / largest * (1 - _NEAR) - _NEAR
    if len(moving) <= exact:
        reached = np.zeros(1)
        for one in moving:
            reached = np.concatenate([reached + one, reached - one])
        return float((np.abs(reached) >= observed).mean())
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, size=(draws, len(moving)), dtype=np.int8)
    means = 2.0 * (signs @ moving) - moving.sum()
    return float((1 + (np.abs(means) >= observed).sum()) / (1 + draws))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979), in the order given: at most `alpha` is significant.

    With p_(1) <= ... <= p_(m), the k-th is max over j <= k of min(1, (m - j + 1) p_(j)). Keeps the
    chance of even one false claim among all below the level, whatever depends on what.
    """
    count = len(values)
    adjusted = [0.0] * count
    highest = 0.0
    for rank, place in enumerate(sorted(range(count), key=lambda one: values[one])):
        highest = max(highest, min(1.0, (count - rank) * values[place]))
        adjusted[place] = highest
    return adjusted
