"""Permutation tests against enumeration, and Holm's correction against its definition."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.scoring.groups import Group
from mmedit_bench.scoring.intervals import estimates
from mmedit_bench.scoring.permutation import contributions, holm, sign_flip

STEPS = st.integers(-4, 4).map(float)
FEW = st.lists(STEPS, min_size=1, max_size=9)
PS = st.lists(st.floats(0, 1), max_size=8)
GROUPS = {"pair": Group(("a", "b"))}


def enumerated(parts) -> float:
    observed = abs(sum(parts))
    patterns = list(itertools.product((1, -1), repeat=len(parts)))
    reached = [abs(sum(s * p for s, p in zip(signs, parts, strict=True))) for signs in patterns]
    return sum(one >= observed - 1e-9 for one in reached) / len(patterns)


@settings(deadline=None)
@given(FEW)
def test_few_clusters_are_counted_exactly(parts) -> None:
    assert sign_flip(np.array(parts)) == pytest.approx(enumerated(parts))


@settings(deadline=None)
@given(FEW, st.randoms(), st.sampled_from([0.25, 1.0, 3.0]))
def test_order_sign_scale_and_zeros_do_not_matter(parts, random, factor) -> None:
    p = sign_flip(np.array(parts))
    other = [-factor * part for part in parts] + [0.0, 0.0]
    random.shuffle(other)
    assert sign_flip(np.array(other)) == pytest.approx(p)
    assert 0 < p <= 1


def test_hand_worked() -> None:
    assert sign_flip(np.array([1.0, 1.0, 1.0, 1.0])) == 2 / 16  # all for one side: two of sixteen patterns
    assert sign_flip(np.array([1.0, 1.0, 1.0, -1.0])) == 10 / 16  # a mean of 2 or more, either way
    assert sign_flip(np.zeros(5)) == 1 == sign_flip(np.zeros(0))


def test_drawn_patterns_come_near_the_exact_p() -> None:
    rng = np.random.default_rng(3)
    for shift in (0.1, 0.3, 0.6):
        parts = rng.normal(shift, 1, size=13)
        exact, drawn = sign_flip(parts), sign_flip(parts, exact=0)
        assert abs(exact - drawn) < 5 * (exact * (1 - exact) / 20_000) ** 0.5 + 1e-4
        assert drawn == sign_flip(parts[::-1], exact=0)  # seeded, and no matter of order
    assert sign_flip(np.ones(40)) == pytest.approx(1 / 20_001)  # never zero


def test_the_level_is_kept() -> None:
    """Of editors that are alike, about one in twenty comparisons is called significant."""
    rng = np.random.default_rng(5)
    found = [sign_flip(rng.choice([-1.0, 0.0, 1.0], size=12)) <= 0.05 for _ in range(600)]
    assert np.mean(found) < 0.075


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("xyz"), STEPS, st.one_of(STEPS, st.just(float("nan")))), min_size=1)
)
def test_contributions_add_up_to_the_means(rows) -> None:
    values = np.array([[a, b] for _, a, b in rows])
    clusters = [name for name, _, _ in rows]
    found = contributions(values, clusters, ("a", "b"), GROUPS)
    means = estimates(values, clusters, ("a", "b"), GROUPS, resamples=2)
    for name, estimate in means.items():
        part = found[name]
        assert (part is None) == (estimate is None)
        if part is not None and estimate is not None:
            assert len(part) == len(set(clusters))
            assert part.sum() == pytest.approx(estimate.value)


def test_what_shares_a_cluster_is_flipped_together() -> None:
    values = np.ones((6, 1))
    alone = contributions(values, list("abcdef"), ("x",), {})["x"]
    together = contributions(values, list("aabbcc"), ("x",), {})["x"]
    assert alone is not None and together is not None
    assert (sign_flip(alone), sign_flip(together)) == (2 / 64, 2 / 8)


def by_definition(values):
    """Adjusted p: the smallest level at which the step-down procedure rejects."""

    def rejected(level):
        order = sorted(range(len(values)), key=lambda one: values[one])
        out = set()
        for step, place in enumerate(order):
            if values[place] > level / (len(values) - step):
                break
            out.add(place)
        return out

    levels = sorted({min(1.0, k * p) for p in values for k in range(1, len(values) + 1)} | {1.0})
    eps = 1 + 1e-12
    return [
        next((level for level in levels if place in rejected(level * eps)), 1.0)
        for place in range(len(values))
    ]


@settings(deadline=None)
@given(PS)
def test_holm_is_the_step_down_procedure(values) -> None:
    assert holm(values) == pytest.approx(by_definition(values))


@given(PS, st.randoms())
def test_holm_bounds_and_order(values, random) -> None:
    found = holm(values)
    assert all(p <= adjusted <= min(1.0, len(values) * p) for p, adjusted in zip(values, found, strict=True))
    pairs = list(zip(values, found, strict=True))
    random.shuffle(pairs)
    assert holm([p for p, _ in pairs]) == [adjusted for _, adjusted in pairs]


def test_holm_hand_worked() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
