"""Paired permutation tests between two editors, and Holm's correction for many of them.

If two editors are alike, then which of the two an edit's difference speaks for is a matter of chance:
its sign may be flipped. What shares a cluster is flipped together, for it succeeds and fails together.
The p-value is the share of sign patterns whose mean difference is at least as far from zero as the
one observed (two-sided). All patterns are counted where there are few; otherwise a fixed, seeded
number of them is drawn, and the observed one counts among them, so that no p is zero.

A summary that is no mean has no sum of differences to flip. There the two editors' results are swapped,
cluster by cluster and in all columns alike, and the summary of both sides is computed anew; of a mean
this is the same test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.scoring.groups import Floats, Group, combined, leaves
from mmedit_bench.scoring.intervals import SEED

EXACT = 14
"""Clusters that differ, up to which all sign patterns are counted: at most 2^14 of them."""
DRAWS = 20_000
"""Sign patterns drawn beyond that: a p-value of 0.05 is then known to about 0.0015."""
_NEAR = 1e-9
"""Relative: sums of the same numbers in another order count as equal."""
_LAST_BITS = 1e-12
"""Of shares: below it only sums of the same numbers in another order differ."""
_AT_ONCE = 2000
"""Patterns of swaps that are held in memory together."""


def contributions(
    values: Floats,
    clusters: Sequence[str],
    columns: Sequence[str],
    groups: Mapping[str, Group],
) -> dict[str, Floats | None]:
    """What each cluster adds to the mean of every column and group: [clusters], in order of their names.

    Groups are such as rest on no harmonic mean (`groups.linear`).

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
    for name, group in groups.items():
        own = [found.get(part) for part in group.parts]
        given = [part for part in own if part is not None]
        found[name] = group.of(given) if len(given) == len(own) > 0 else None
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


def swap(
    values: Floats,
    others: Floats,
    clusters: Sequence[str],
    columns: Sequence[str],
    groups: Mapping[str, Group],
    name: str,
    *,
    exact: int = EXACT,
    draws: int = DRAWS,
    seed: int = SEED,
) -> float:
    """The two-sided p-value of a difference in the group `name`, by swapping what shares a cluster.

    Row k of both tables, [edits, columns], belongs to the same edit, with NaN in the same places; both
    have all columns that the group rests on. 1 where no cluster differs. As with `sign_flip`, neither
    order nor names matter.
    """
    wanted = list(dict.fromkeys(leaves(name, groups)))
    places = [list(columns).index(column) for column in wanted]
    mine, theirs = (contributions(side[:, places], clusters, wanted, {}) for side in (values, others))
    parts = [
        np.stack([own for column in wanted if (own := side[column]) is not None], axis=1)
        for side in (mine, theirs)
    ]
    middle = (parts[0] + parts[1]).sum(axis=0) / 2
    delta = (parts[0] - parts[1]) / 2
    delta = delta[(np.abs(delta) > _LAST_BITS).any(axis=1)]
    observed = _apart(delta.sum(axis=0)[None], middle, wanted, groups, name)[0] * (1 - _NEAR) - _LAST_BITS
    # each cluster's difference by its own sign, and in order: whatever the pair is called, the same draws
    first = (np.abs(delta) > _LAST_BITS).argmax(axis=1)
    delta = delta * np.sign(np.take_along_axis(delta, first[:, None], axis=1))
    delta = delta[np.lexsort(delta.T[::-1])]
    count = len(delta)
    if count <= exact:
        patterns = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float((_apart(_swapped(patterns, delta), middle, wanted, groups, name) >= observed).mean())
    rng = np.random.default_rng(seed)
    reached = 0
    for begin in range(0, draws, _AT_ONCE):
        patterns = rng.integers(0, 2, size=(min(_AT_ONCE, draws - begin), count), dtype=np.int8)
        found = _apart(_swapped(patterns, delta), middle, wanted, groups, name)
        reached += int((found >= observed).sum())
    return (1 + reached) / (1 + draws)


def _swapped(patterns: NDArray[np.integer[Any]], delta: Floats) -> Floats:
    """Half the difference of both sides' means under each pattern of swaps: [patterns, columns]."""
    return (1.0 - 2.0 * patterns) @ delta


def _apart(
    halves: Floats, middle: Floats, columns: Sequence[str], groups: Mapping[str, Group], name: str
) -> Floats:
    """How far apart two sides are in a group that lie as far to both sides of `middle`, [columns]."""
    # a share of 0 on one side must not come out a little below it
    sides = [np.clip(middle + sign * halves, 0.0, None) for sign in (1, -1)]
    tables = ({column: side[:, place] for place, column in enumerate(columns)} for side in sides)
    one, other = (combined(table, groups)[name] for table in tables)
    return np.abs(one - other)


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
