"""How many edits a block's order needs before it would stay as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.scoring.groups import Group
from mmedit_bench.scoring.places import neighbours
from mmedit_bench.scoring.power import Spread, needed

POWER, ALPHA = 0.8, 0.05
POINT = 1.0
"""A difference, in percentage points, below which nobody cares who is ahead."""


@dataclass(frozen=True, slots=True)
class Stability:
    """What neighbours in the order need to be told apart, at 80 % power and the 5 % level."""

    edits: int
    """Edits made here."""
    pairs: int
    """Neighbours."""
    equal: int
    """Those among them whose edits all came out alike: no number of edits such as these parts them."""
    seen: int
    """Those that as many edits as were made here are enough for."""
    close: int
    """Those that are less than a point apart."""
    all_but_close: int | None
    """Edits that tell apart all neighbours that are a point or more apart; None where there are none."""
    point: int | None
    """Edits that show a difference of one point between the median pair of neighbours."""


def stability_of(parts: Sequence[NDArray[np.float64]], summary: Group, edits: int) -> Stability:
    """`parts` are what clusters contribute to each summary (`places`), the best first; `edits` were made."""
    spreads = [
        (100 * difference, Spread(1e4 * variance, parts[0].shape[1], edits / parts[0].shape[1]))
        for difference, variance in neighbours(parts, summary)
    ]
    wanted: list[tuple[float, int]] = []
    equal = 0
    for difference, spread in spreads:
        need = needed(spread, difference, power=POWER, alpha=ALPHA) if difference > 1e-9 else None
        if need is None:
            equal += spread.variance <= 1e-14
        else:
            wanted.append((difference, need.edits))
    each = [
        found.edits for _, spread in spreads if (found := needed(spread, POINT, power=POWER, alpha=ALPHA))
    ]
    far = [count for difference, count in wanted if difference >= POINT]
    return Stability(
        edits=edits,
        pairs=len(spreads),
        equal=equal,
        seen=sum(count <= edits for _, count in wanted),
        close=sum(difference < POINT for difference, _ in spreads),
        all_but_close=max(far, default=None),
        point=sorted(each)[len(each) // 2] if each else None,
    )
