"""The normal approximation against simulated experiments, and the variance against resampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.scoring.groups import Group
from mmedit_bench.scoring.intervals import FEWEST, resample_counts
from mmedit_bench.scoring.permutation import sign_flip
from mmedit_bench.scoring.power import Spread, influences, needed
from mmedit_bench.scoring.power import spread_of as spread

GROUPS = {"pair": Group(("a", "b"))}


def spread_of(values, clusters, name: str = "a") -> Spread:
    table = np.asarray(values, dtype=float)
    found = spread(influences(table, clusters, ("a", "b")[: table.shape[1]], GROUPS)[name], len(table))
    assert found is not None
    return found


def names(count: int) -> list[str]:
    return [f"u{n:04d}" for n in range(count)]


def test_of_single_edits_it_is_the_sample_variance() -> None:
    values = np.random.default_rng(0).normal(size=(30, 1))
    found = spread_of(values, names(30))
    assert found.variance == pytest.approx(values.var(ddof=1))
    assert (found.clusters, found.edits) == (30, 1.0)


def test_hand_worked() -> None:
    """Differences of 1, 0, 0, 0 have variance 1/4; to see 0.5: (1.96 + 0.8416)^2 (1/4) / 0.5^2 = 7.85."""
    found = needed(spread_of([[1.0], [0.0], [0.0], [0.0]], names(4)), 0.5)
    assert found is not None
    assert found.clusters == found.edits == 8
    assert found.detectable == pytest.approx(2.8016 * 0.25, abs=1e-3)


@pytest.mark.parametrize("clusters", [names(60), [f"u{n // 4:02d}" for n in range(60)]])
@pytest.mark.parametrize("column", ["a", "b", "pair"])
def test_it_says_how_much_the_mean_varies(clusters: list[str], column: str) -> None:
    """Against a bootstrap of clusters, which knows nothing of influences."""
    rng = np.random.default_rng(2)
    base = np.array([int(name[1:]) % 7 / 7 for name in clusters])
    values = np.stack([base + rng.random(60), base + rng.random(60)], axis=1)
    values[rng.random(60) < 0.3, 1] = np.nan
    found = spread_of(values, clusters, column)
    _, index = np.unique(clusters, return_inverse=True)
    counts = resample_counts(int(index.max()) + 1, resamples=4000, seed=1)[:, index]
    there = ~np.isnan(values)
    means = (counts @ np.nan_to_num(values)) / (counts @ there)
    drawn = {"a": means[:, 0], "b": means[:, 1], "pair": means.mean(axis=1)}[column]
    assert found.variance / found.clusters == pytest.approx(drawn.var(), rel=0.15)


def test_what_too_few_have_is_unknown_and_what_never_varies_too() -> None:
    nan = float("nan")
    found = influences(np.array([[1.0, nan], [0.0, 1.0], [1.0, nan]]), names(3), ("a", "b"), GROUPS)
    assert found["a"] is not None and found["b"] is None and found["pair"] is None
    assert influences(np.zeros((0, 2)), [], ("a", "b"), GROUPS) == dict.fromkeys(("a", "b", "pair"))
    assert needed(spread_of(np.full((9, 1), 0.1), names(9)), 0.1) is None


def test_as_many_as_it_says_see_it_as_often_as_it_says() -> None:
    """Experiments of the size asked for, judged by the test that `compare` uses, and by the normal one."""
    rng = np.random.default_rng(8)
    variance = 0.35 - 0.15**2
    found = needed(Spread(variance, 100, 1.0), 0.15, power=0.8)
    assert found is not None
    assert 100 < found.clusters < 130
    smooth = [rng.normal(0.15, variance**0.5, size=found.clusters) for _ in range(400)]
    whole = [rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.65, 0.25], size=found.clusters) for _ in range(400)]
    seen = np.mean([sign_flip(parts, draws=999) <= 0.05 for parts in smooth])
    assert 0.74 <= seen <= 0.86
    by_normal = [abs(parts.mean()) / (parts.std(ddof=1) / len(parts) ** 0.5) > 1.96 for parts in whole]
    assert 0.74 <= np.mean(by_normal) <= 0.86
    # answers that are right or wrong have ties among the sign patterns, which count for no difference
    tied = np.mean([sign_flip(parts, draws=999) <= 0.05 for parts in whole])
    assert 0.65 <= tied <= np.mean(by_normal)
    at_hand = needed(Spread(variance, found.clusters, 1.0), 0.15)
    assert at_hand is not None
    assert at_hand.power == pytest.approx(0.8, abs=0.005)
    assert at_hand.detectable == pytest.approx(0.15, rel=0.01)


@settings(deadline=None)
@given(st.floats(0.01, 100), st.floats(0.05, 50), st.floats(0.05, 0.95), st.floats(0.001, 0.2))
def test_more_is_needed_for_less(variance, difference, power, alpha) -> None:
    spread = Spread(variance, 50, 2.0)
    one = needed(spread, difference, power=power, alpha=alpha)
    finer = needed(spread, difference / 2, power=power, alpha=alpha)
    surer = needed(spread, difference, power=(1 + power) / 2, alpha=alpha)
    assert one is not None and finer is not None and surer is not None
    assert FEWEST <= one.clusters <= min(finer.clusters, surer.clusters)
    assert one.edits == 2 * one.clusters
    assert 0 <= one.power <= 1
    same = needed(spread.times(3), 3 * difference, power=power, alpha=alpha)
    assert same is not None and abs(same.clusters - one.clusters) <= 1


@pytest.mark.parametrize("wrong", [{"difference": 0}, {"power": 1}, {"alpha": 0}, {"difference": -1}])
def test_nonsense_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="above 0"):
        needed(Spread(1.0, 5, 1.0), **({"difference": 1.0} | wrong))
