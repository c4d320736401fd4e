"""The summary `hard`: its definition, its intervals and tests against loops and enumeration."""

from __future__ import annotations

import itertools
from statistics import harmonic_mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.scoring.cells import cells_of
from mmedit_bench.scoring.edit_values import EditValues
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.groups import (
    GROUPS,
    HARD,
    MEANS,
    Group,
    combined,
    groups_of,
    leaves,
    linear,
    summary_of,
)
from mmedit_bench.scoring.intervals import (
    SEED,
    averaged,
    differences,
    drawn,
    estimated,
    estimates,
    resample_counts,
)
from mmedit_bench.scoring.permutation import contributions, sign_flip, swap
from mmedit_bench.scoring.places import neighbours, places
from mmedit_bench.scoring.power import influences
from mmedit_bench.scoring.scores import NOT_WHOLE, NOTHING_ASKED, TEXT_ALONE, TOO_FEW
from mmedit_bench.scoring.tails import left_out

COLUMNS = leaves(HARD, GROUPS)
"""Rel, four generalities, four localities, two near texts."""
CAPTION = tuple(name for name in COLUMNS if name != "text_locality/same_relation")
FEW = 200
SHARES = st.lists(st.floats(0.01, 1), min_size=2, max_size=5)
SMALL = {"g": Group(("b", "c")), "h": Group(("a", "g"), harmonic=True)}
"""The same with three columns."""


def arrays(values):
    return [np.array([value]) for value in values]


def harmonic(values) -> float:
    return float(Group(("x",) * len(values), harmonic=True).of(arrays(values))[0])


def by_hand(row) -> float:
    """`hard` from the values of `COLUMNS`, in their order."""
    own = dict(zip(COLUMNS, row, strict=True))
    near = (own["text_locality/same_relation"] + own["text_locality/same_thing"]) / 2
    generality = sum(value for name, value in own.items() if "generality" in name) / 4
    locality = (
        own["text_locality/main"]
        + own["image_locality/main"]
        + own["image_locality/same_question"]
        + own["image_locality/same_image"]
        + near
    ) / 5
    return harmonic_mean([own["reliability/main"], generality, locality])


def names(count: int) -> list[str]:
    return [f"u{number:03d}" for number in range(count)]


def outcomes(seed: int, edits: int, skill: float = 0.7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    chances = np.clip(skill + 0.2 * rng.standard_normal(len(COLUMNS)), 0.1, 0.95)
    return (rng.random((edits, len(COLUMNS))) < chances).astype(float)


def edit_values(columns, values, unread=()) -> EditValues:
    edits = len(values)
    probes = np.ones(values.shape, dtype=np.int64)
    lacking = np.zeros(values.shape, dtype=np.int64)
    for name in unread:
        lacking[:, list(columns).index(name)] = 1
    units = tuple(names(edits))
    return EditValues(
        units,
        units,
        units,
        ("correction",) * edits,
        ("vqa",) * edits,
        tuple(columns),
        values,
        probes,
        lacking,
    )


# ---- what it is


@settings(max_examples=50, deadline=None)
@given(SHARES)
def test_a_harmonic_mean_lies_between_the_least_and_the_mean(shares) -> None:
    found = harmonic(shares)
    assert found == pytest.approx(harmonic_mean(shares))
    assert min(shares) - 1e-12 <= found <= sum(shares) / len(shares) + 1e-12
    assert harmonic([shares[0]] * 4) == pytest.approx(shares[0])
    assert harmonic([*shares, 0.0]) == 0


@settings(max_examples=50, deadline=None)
@given(SHARES, st.integers(0, 4), st.floats(0, 0.5))
def test_it_rises_with_each_part_as_its_slopes_say(shares, place, more) -> None:
    place %= len(shares)
    better = [share + more * (number == place) for number, share in enumerate(shares)]
    assert harmonic(better) >= harmonic(shares) - 1e-12
    slopes = Group(("x",) * len(shares), harmonic=True).slopes(np.array(shares))
    assert slopes @ np.array(shares) == pytest.approx(harmonic(shares))
    step = 1e-6
    nudged = [share + step * (number == place) for number, share in enumerate(shares)]
    assert (harmonic(nudged) - harmonic(shares)) / step == pytest.approx(slopes[place], rel=1e-2, abs=1e-4)


def test_slopes_where_a_part_is_nothing_and_of_means() -> None:
    assert Group(("a", "b"), harmonic=True).slopes(np.array([0.0, 0.5])).tolist() == [0, 0]
    assert Group(("a", "b")).slopes(np.array([[0.0, 0.5]])).tolist() == [[0.5, 0.5]]


def test_its_strata_are_those_of_the_definition() -> None:
    row = np.random.default_rng(0).random(len(COLUMNS))
    found = combined(dict(zip(COLUMNS, arrays(row), strict=True)), GROUPS)
    assert found[HARD] == pytest.approx(by_hand(row))
    assert len(COLUMNS) == 11 and not [name for name in COLUMNS if "portability" in name or "alone" in name]
    assert set(linear(GROUPS)) == set(GROUPS) - {HARD}
    assert linear({**SMALL, "above": Group(("h", "a"))}) == {"g": SMALL["g"]}


def test_a_suite_without_a_near_text_is_asked_the_other() -> None:
    assert groups_of(CAPTION)["near_text"].parts == ("text_locality/same_thing",)
    assert groups_of(COLUMNS) == dict(GROUPS)
    neither = groups_of([name for name in COLUMNS if "same_" not in name])
    assert neither["near_text"] == GROUPS["near_text"]  # and so no number


def test_rows_are_ordered_by_the_first_summary_that_one_of_them_has() -> None:
    assert summary_of([["mean"], ["mean", HARD]]) == HARD
    assert summary_of([["mean"], ["generality"]]) == summary_of([]) == "mean"


# ---- as a cell


def test_a_cell_of_it() -> None:
    values = outcomes(1, 30)
    family = family_named("generation")
    cell = cells_of(family, edit_values(COLUMNS, values))[HARD]
    assert cell.value == pytest.approx(100 * by_hand(values.mean(axis=0)))
    assert cell.low is not None and cell.high is not None and cell.low < cell.value < cell.high
    assert (cell.n, cell.edits, cell.reason) == (11 * 30, 30, None)
    assert cell.label == "harmonic mean: generation_exact + generation_same"
    few = cells_of(family, edit_values(COLUMNS, values[:4]))[HARD]
    assert few.value is not None and (few.low, few.reason) == (None, TOO_FEW)
    whole = cells_of(family, edit_values(CAPTION, values[:, [COLUMNS.index(name) for name in CAPTION]]))
    assert whole["near_text"].value == whole["text_locality/same_thing"].value
    assert whole[HARD].value is not None and whole[HARD].n == 10 * 30


def test_a_suite_that_lacks_a_stratum_has_none_of_it() -> None:
    main = [name for name in COLUMNS if name.endswith("main")]
    found = cells_of(family_named("generation"), edit_values(main, outcomes(2, 9)[:, : len(main)]))
    assert found["mean"].value is not None
    for name in ("hard_generality", "hard_locality", HARD):
        assert (found[name].value, found[name].low, found[name].reason) == (None, None, NOT_WHOLE)
    assert found["near_text"].reason == NOTHING_ASKED


def test_a_near_text_that_was_not_read_is_not_left_out() -> None:
    unread = edit_values(COLUMNS, outcomes(3, 9), ["text_locality/same_relation"])
    found = cells_of(family_named("teacher_forced_token"), unread)
    assert found["near_text"].value is None and found[HARD].reason == TEXT_ALONE
    assert found["mean"].value is not None


# ---- intervals


def resampled(tables, clusters, seed=SEED):
    """By drawing clusters one after the other, what three columns of each table come to by `SMALL`."""

    def hard(rows):
        means = []
        for place in range(3):
            own = [row[place] for row in rows if not np.isnan(row[place])]
            means.append(sum(own) / len(own))
        second = (means[1] + means[2]) / 2
        return 0.0 if 0 in (means[0], second) else 2 / (1 / means[0] + 1 / second)

    known = sorted(set(clusters))
    draws = np.random.default_rng(seed).multinomial(len(known), [1 / len(known)] * len(known), size=FEW)
    samples = []
    for draw in draws:
        times = [int(draw[known.index(cluster)]) for cluster in clusters]
        samples.append(
            [hard([row for row, n in zip(table, times, strict=True) for _ in range(n)]) for table in tables]
        )
    return [hard(table) for table in tables], np.array(samples)


@pytest.mark.parametrize("clusters", [names(24), [f"u{i // 3}" for i in range(24)]])
def test_it_is_formed_inside_each_resample(clusters: list[str]) -> None:
    rng = np.random.default_rng(4)
    mine, theirs = (rng.integers(0, 3, size=(24, 3)) / 2.0 for _ in range(2))
    gaps = rng.random(mine.shape) < 0.1
    mine[gaps] = theirs[gaps] = np.nan
    points, samples = resampled([mine, theirs], clusters)
    have = (~np.isnan(mine)).T
    out = left_out(min(len({name for name, own in zip(clusters, c, strict=True) if own}) for c in have))
    alone = estimates(mine, clusters, "abc", SMALL, resamples=FEW)["h"]
    assert alone is not None
    assert (alone.value, alone.low, alone.high) == pytest.approx(
        (points[0], *np.percentile(samples[:, 0], [out, 100 - out]))
    )
    both = differences(mine, theirs, clusters, "abc", SMALL, resamples=FEW)
    apart = both["h"]
    assert apart is not None
    assert (apart.value, apart.low, apart.high) == pytest.approx(
        (points[0] - points[1], *np.percentile(samples[:, 0] - samples[:, 1], [out, 100 - out]))
    )
    assert {name: both[name] for name in "abc"} == estimates(
        mine - theirs, clusters, "abc", {}, resamples=FEW
    )


def test_of_several_runs_it_is_the_mean_of_each() -> None:
    tables = [outcomes(seed, edits) for seed, edits in ((5, 12), (6, 30))]
    parts = [drawn(own, names(len(own)), COLUMNS, GROUPS, seed=SEED + at) for at, own in enumerate(tables)]
    found = estimated(averaged(parts))[HARD]
    assert found is not None
    each = [by_hand(own.mean(axis=0)) for own in tables]
    assert found.value == pytest.approx(sum(each) / 2)
    assert found.value != pytest.approx(by_hand((tables[0].mean(axis=0) + tables[1].mean(axis=0)) / 2))
    samples = []
    for at, own in enumerate(tables):
        counts = resample_counts(len(own), seed=SEED + at)
        samples.append([by_hand(row) for row in counts @ own / len(own)])
    out = left_out(12)  # the run with the fewest says
    bounds = np.percentile(np.mean(samples, axis=0), [out, 100 - out])
    assert (found.low, found.high) == pytest.approx(bounds)


def test_equal_editors_are_exactly_no_apart() -> None:
    one = outcomes(7, 20)
    found = differences(one, one.copy(), names(20), COLUMNS, GROUPS)
    assert all(own is not None and (own.value, own.low, own.high) == (0, 0, 0) for own in found.values())


# ---- tests


def swapped(mine, theirs, clusters) -> float:
    """The share of all swaps of clusters that part the two sides as far as they are, one after the other."""

    def hard(table):
        means = np.nanmean(table, axis=0)
        second = (means[1] + means[2]) / 2
        return 0.0 if 0 in (means[0], second) else 2 / (1 / means[0] + 1 / second)

    observed = abs(hard(mine) - hard(theirs))
    known = sorted(set(clusters))
    reached = 0
    for pattern in itertools.product((False, True), repeat=len(known)):
        turn = np.array([pattern[known.index(cluster)] for cluster in clusters])[:, None]
        one, other = np.where(turn, theirs, mine), np.where(turn, mine, theirs)
        reached += abs(hard(one) - hard(other)) >= observed - 1e-9
    return reached / 2 ** len(known)


TABLES = st.lists(
    st.tuples(*[st.tuples(*[st.sampled_from([0.0, 0.5, 1.0])] * 3)] * 2, st.sampled_from("uvwxyz")),
    min_size=2,
    max_size=9,
)


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_few_clusters_are_swapped_in_every_way(rows) -> None:
    mine, theirs = (np.array([row[side] for row in rows]) for side in (0, 1))
    clusters = [row[2] for row in rows]
    p = swap(mine, theirs, clusters, "abc", SMALL, "h")
    assert p == pytest.approx(swapped(mine, theirs, clusters))
    assert p == swap(theirs, mine, clusters, "abc", SMALL, "h")
    order = list(reversed(range(len(rows))))
    again = swap(mine[order], theirs[order], [clusters[row] for row in order], "abc", SMALL, "h")
    assert p == pytest.approx(again)


def test_of_a_mean_swapping_is_flipping_signs() -> None:
    mine, theirs = outcomes(8, 12), outcomes(9, 12, 0.5)
    delta = contributions(mine - theirs, names(12), COLUMNS, MEANS)["mean"]
    assert delta is not None
    assert swap(mine, theirs, names(12), COLUMNS, MEANS, "mean") == pytest.approx(sign_flip(delta))


def test_drawn_swaps_come_near_the_exact_p_whatever_the_pair_is_called() -> None:
    mine, theirs = outcomes(10, 13), outcomes(11, 13, 0.6)
    exact = swap(mine, theirs, names(13), COLUMNS, GROUPS, HARD)
    found = swap(mine, theirs, names(13), COLUMNS, GROUPS, HARD, exact=0)
    assert abs(exact - found) < 5 * (exact * (1 - exact) / 20_000) ** 0.5 + 1e-4
    assert found == swap(theirs[::-1], mine[::-1], names(13)[::-1], COLUMNS, GROUPS, HARD, exact=0)
    assert swap(mine, mine, names(13), COLUMNS, GROUPS, HARD) == 1
    assert swap(np.ones((40, 11)), np.zeros((40, 11)), names(40), COLUMNS, GROUPS, HARD) == pytest.approx(
        1 / 20_001
    )


def parts_of(table: np.ndarray) -> np.ndarray:
    found = contributions(table, names(len(table)), COLUMNS, linear(GROUPS))
    own = [found[part] for part in GROUPS[HARD].parts]
    assert not [one for one in own if one is None]
    return np.stack([one for one in own if one is not None])


def test_places_part_two_editors_where_the_exact_test_does() -> None:
    decided = 0
    for seed in range(12):
        base = outcomes(seed, 60)
        rng = np.random.default_rng(100 + seed)
        # the second gives up near things: much, some or none of it
        worse = base * np.where(rng.random(base.shape) < 0.04 * (seed % 4) * (np.arange(11) > 6), 0.0, 1.0)
        noisy = np.where(rng.random(base.shape) < 0.1, 1 - worse, worse)
        p = swap(base, noisy, names(60), COLUMNS, GROUPS, HARD)
        found = places({"a": parts_of(base), "b": parts_of(noisy)}, GROUPS[HARD])
        if abs(p - 0.05) > 0.02:
            decided += 1
            assert (len(set(found.values())) == 2) == (p < 0.05), (seed, p)
    assert decided >= 8


def test_a_linearised_difference_is_the_difference() -> None:
    one, other = outcomes(20, 200, 0.8), outcomes(21, 200, 0.6)
    group = GROUPS[HARD]
    exact = by_hand(one.mean(axis=0)) - by_hand(other.mean(axis=0))
    ((difference, variance),) = neighbours([parts_of(one), parts_of(other)], group)
    assert difference == pytest.approx(exact)
    mine, theirs = parts_of(one), parts_of(other)
    slopes = group.slopes((mine.sum(axis=1) + theirs.sum(axis=1)) / 2)
    assert float((slopes @ (mine - theirs)).sum()) == pytest.approx(exact, rel=0.05)
    span = differences(one, other, names(200), COLUMNS, GROUPS)[HARD]
    assert span is not None and span.low is not None and span.high is not None
    assert 2 * 1.96 * (variance / 200) ** 0.5 == pytest.approx(span.high - span.low, rel=0.15)


def test_its_influences_vary_as_it_does() -> None:
    values = outcomes(22, 80)
    found = influences(values, names(80), COLUMNS, GROUPS)[HARD]
    assert found is not None and found.sum() == pytest.approx(0, abs=1e-12)
    samples = [by_hand(row) for row in resample_counts(80) @ values / 80]
    assert float((found**2).sum()) == pytest.approx(np.var(samples), rel=0.15)
