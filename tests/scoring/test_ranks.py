"""Rank intervals against their definition, and how often they hold the true places."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.scoring.permutation import holm, sign_flip
from mmedit_bench.scoring.ranks import Rank, rank_intervals

NAMES = ("a", "b", "c", "d")


def test_hand_worked() -> None:
    clearly = {("a", "b"): 0.2, ("a", "c"): 0.01, ("b", "c"): 0.04, ("a", "d"): 0.001, ("c", "d"): 0.3}
    found = rank_intervals(NAMES, clearly)
    assert {name: str(rank) for name, rank in found.items()} == {
        "a": "1-2",
        "b": "1-3",
        "c": "3-4",
        "d": "2-4",
    }
    assert rank_intervals(["only"], {}) == {"only": Rank(1, 1)}
    assert set(rank_intervals(NAMES, clearly, alpha=1e-9).values()) == {Rank(1, 4)}


@given(st.permutations(NAMES), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_intervals_hold_the_place_by_value(order, ps) -> None:
    clearly = dict(zip(itertools.combinations(order, 2), ps, strict=True))
    found = rank_intervals(NAMES, clearly)
    for place, name in enumerate(order, start=1):
        assert 1 <= found[name].best <= place <= found[name].worst <= len(NAMES)
    assert found == rank_intervals(NAMES[::-1], clearly)


def test_all_true_places_are_held_at_once_about_as_often_as_promised() -> None:
    rng = np.random.default_rng(11)
    means = {"a": 0.9, "b": 0.9, "c": 0.7, "d": 0.3}
    true = {"a": (1, 2), "b": (1, 2), "c": (3, 3), "d": (4, 4)}
    held = 0
    for _ in range(120):
        hard = rng.random(40)
        right = {
            name: (0.5 * hard + 0.5 * rng.random(40) < mean).astype(float) for name, mean in means.items()
        }
        pairs = list(itertools.combinations(means, 2))
        ps = holm([sign_flip(right[one] - right[two], draws=500) for one, two in pairs])
        clearly = {
            (pair if right[pair[0]].mean() > right[pair[1]].mean() else pair[::-1]): p
            for pair, p in zip(pairs, ps, strict=True)
        }
        found = rank_intervals(list(means), clearly)
        # of two that are alike, either may be called first
        held += all(
            found[name].best <= low and high <= found[name].worst for name, (low, high) in true.items()
        )
    assert held >= 0.92 * 120
