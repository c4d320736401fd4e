from __future__ import annotations

import numpy as np
import pytest

from mmedit_bench.scoring.groups import Group
from mmedit_bench.scoring.permutation import sign_flip
from mmedit_bench.scoring.places import neighbours, places
from mmedit_bench.scoring.power import influences, spread_of
from mmedit_bench.scoring.ranks import Rank

MEAN = Group(("mean",))


def by_mean(parts: dict[str, np.ndarray]) -> dict[str, Rank]:
    """Places by a summary that has one part."""
    return places({name: own[None] for name, own in parts.items()}, MEAN)


def drawn(skills: list[float], clusters: int, seed: int) -> dict[str, np.ndarray]:
    """Contributions of editors whose edits succeed with these chances, alike in what is hard."""
    rng = np.random.default_rng(seed)
    hard = rng.random(clusters)
    return {
        f"{number:03d}": ((0.5 * rng.random(clusters) + 0.5 * hard) < skill).astype(float) / clusters
        for number, skill in enumerate(skills)
    }


def test_places_hold_the_true_order_and_tell_far_ones_apart() -> None:
    found = by_mean(drawn([0.9, 0.6, 0.3], 400, 1))
    assert [str(rank) for rank in found.values()] == ["1", "2", "3"]


def test_hundreds_are_told_apart_where_holm_would_tell_nobody() -> None:
    found = list(by_mean(drawn(list(np.linspace(0.9, 0.2, 120)), 300, 2)).values())
    assert found[0].worst < 60 and found[-1].best > 60
    assert all(rank.best <= place <= rank.worst for place, rank in enumerate(found, start=1))


def test_equal_editors_are_seldom_parted() -> None:
    """The family-wise level: among equals, any claim at all is made in about one table of twenty."""
    claims = sum(
        any((rank.best, rank.worst) != (1, 6) for rank in by_mean(drawn([0.5] * 6, 60, seed)).values())
        for seed in range(60)
    )
    assert claims <= 8  # 3 expected; more than 8 has a chance of about half a percent


def test_two_editors_are_parted_where_the_permutation_test_parts_them() -> None:
    for seed in range(20):
        parts = drawn([0.55, 0.45], 80, seed)
        one, other = parts.values()
        p = sign_flip(one - other)
        if abs(p - 0.05) > 0.02:
            apart = len({str(rank) for rank in by_mean(parts).values()}) == 2
            assert apart == (p < 0.05)


def test_names_decide_nothing() -> None:
    parts = drawn([0.8, 0.5, 0.5], 100, 3)
    renamed = {f"x{name}": parts[name] for name in reversed(parts)}
    assert by_mean(parts) == {name: by_mean(renamed)[f"x{name}"] for name in parts}


def test_the_same_editor_twice_shares_a_place() -> None:
    one = drawn([0.8], 100, 4)["000"]
    assert {str(rank) for rank in by_mean({"a": one, "b": one}).values()} == {"1-2"}


def test_few_clusters_and_nobody() -> None:
    assert {str(rank) for rank in by_mean(drawn([1.0, 0.0], 4, 5)).values()} == {"1-2"}
    assert by_mean({}) == {}
    assert str(by_mean(drawn([0.5], 20, 6))["000"]) == "1"


def test_unequal_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match="different numbers"):
        by_mean({"a": np.zeros(5), "b": np.zeros(6)})


def test_neighbours_vary_as_power_says() -> None:
    parts = list(drawn([0.8, 0.6], 50, 7).values())
    ((difference, variance),) = neighbours([own[None] for own in parts], MEAN)
    values = 50 * (parts[0] - parts[1])[:, None]
    influence = influences(values, [f"{k:02d}" for k in range(50)], ["mean"], {})["mean"]
    known = spread_of(influence, 50)
    assert known is not None
    assert (difference, variance) == (pytest.approx(values.mean()), pytest.approx(known.variance))
