import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.scoring.groups import Group
from mmedit_bench.scoring.intervals import (
    SEED,
    averaged,
    differences,
    drawn,
    estimated,
    estimates,
    resample_counts,
)
from mmedit_bench.scoring.tails import left_out

FEW = 300
"""Resamples: enough to compare two ways of computing, not enough for a paper."""
GROUPS = {"pair": Group(("a", "b")), "all": Group(("pair", "c"))}
COLUMNS = ("a", "b", "c")
PARTS = {"a": 0, "b": 1, "c": 2, "pair": (0, 1), "all": ((0, 1), 2)}
VALUES = st.lists(
    st.tuples(*[st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.just(float("nan")))] * 3),
    min_size=1,
    max_size=12,
)


def units(count: int) -> list[str]:
    return [f"u{number:03d}" for number in range(count)]


def slow(values, clusters, parts):
    """The same interval by drawing clusters one after the other; `parts` is a nested mean of columns."""

    def mean(rows, part):
        if isinstance(part, int):
            column = [row[part] for row in rows if not np.isnan(row[part])]
            return sum(column) / len(column) if column else float("nan")
        return sum(mean(rows, inner) for inner in part) / len(part)

    names = sorted(set(clusters))
    members = {
        name: [row for row, cluster in zip(values, clusters, strict=True) if cluster == name]
        for name in names
    }
    draws = np.random.default_rng(SEED).multinomial(len(names), [1 / len(names)] * len(names), size=FEW)
    means = []
    for draw in draws:
        drawn = [
            row
            for name, times in zip(names, draw, strict=True)
            for _ in range(times)
            for row in members[name]
        ]
        value = mean(drawn, parts)
        if not np.isnan(value):
            means.append(value)
    means.sort()

    def behind(part):
        if isinstance(part, int):
            return sum(any(not np.isnan(row[part]) for row in own) for own in members.values())
        return min(behind(inner) for inner in part)

    out = left_out(max(behind(parts), 2)) / 100

    def percentile(share):
        place = share * (len(means) - 1)
        below = int(place)
        above = min(below + 1, len(means) - 1)
        return means[below] + (place - below) * (means[above] - means[below])

    return mean(values, parts), percentile(out), percentile(1 - out)


@pytest.mark.parametrize("clusters", [units(30), [f"u{i // 5}" for i in range(30)]])
def test_equals_a_slow_loop(clusters: list[str]) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 3, size=(30, 3)) / 2.0
    values[rng.random(values.shape) < 0.2] = np.nan
    found = estimates(values, clusters, COLUMNS, GROUPS, resamples=FEW)
    for name, parts in {"a": 0, "c": 2, "pair": (0, 1), "all": ((0, 1), 2)}.items():
        one = found[name]
        assert one is not None
        assert (one.value, one.low, one.high) == pytest.approx(slow(values.tolist(), clusters, parts))


def test_coverage() -> None:
    """About 95 of 100 intervals for a share of 0.7 contain it."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(200):
        one = estimates((rng.random((80, 1)) < 0.7).astype(float), units(80), ["a"], {})["a"]
        assert one is not None
        hits += one.low <= 0.7 <= one.high
    assert 180 <= hits <= 199


def test_clusters_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(0).integers(0, 2, size=12), 5).astype(float)[:, None]
    alone = estimates(values, units(60), ["a"], {})["a"]
    together = estimates(values, [f"u{i // 5:02d}" for i in range(60)], ["a"], {})["a"]
    assert alone and together
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


@settings(max_examples=30, deadline=None)
@given(VALUES)
def test_bounds_contain_the_value(rows) -> None:
    for one in estimates(np.array(rows), units(len(rows)), COLUMNS, GROUPS, resamples=50).values():
        assert one is None or 0 <= one.value <= 1
        assert one is None or one.low is None or 0 <= one.low <= one.value <= one.high <= 1


@settings(max_examples=30, deadline=None)
@given(VALUES, st.randoms())
def test_order_of_edits_does_not_matter(rows, random) -> None:
    names = units(len(rows))
    pairs = list(zip(rows, names, strict=True))
    random.shuffle(pairs)
    shuffled = estimates(
        np.array([r for r, _ in pairs]), [n for _, n in pairs], COLUMNS, GROUPS, resamples=50
    )
    assert shuffled == estimates(np.array(rows), names, COLUMNS, GROUPS, resamples=50)


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_constant_data_has_no_width(constant: float) -> None:
    for one in estimates(np.full((17, 3), constant), units(17), COLUMNS, GROUPS).values():
        assert one and (one.value, one.low, one.high) == (constant, constant, constant)


def test_what_was_not_asked_is_none_and_spoils_its_groups_only() -> None:
    values = np.array([[1.0, np.nan, 0.0], [0.0, np.nan, 1.0]])
    found = estimates(values, units(2), COLUMNS, GROUPS)
    assert found["a"] and found["c"]
    assert found["b"] is found["pair"] is found["all"] is None


def test_no_edits() -> None:
    assert set(estimates(np.empty((0, 3)), [], COLUMNS, GROUPS).values()) == {None}


def test_a_group_lacking_a_column_is_none() -> None:
    assert estimates(np.ones((3, 1)), units(3), ["a"], GROUPS)["all"] is None


def test_resamples_are_shared_and_sealed() -> None:
    counts = resample_counts(9)
    assert counts is resample_counts(9)
    assert (counts.sum(axis=1) == 9).all()
    with pytest.raises(ValueError, match="read-only"):
        counts[0, 0] = 5


def test_fast_enough_for_a_whole_suite() -> None:
    values = np.random.default_rng(0).random((400, 30))
    names = [f"c{i}" for i in range(30)]
    resample_counts.cache_clear()
    started = time.process_time()
    estimates(values, units(400), names, {"g": Group(("c1", "c2"))})
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("count", range(1, 8))
def test_fewer_than_five_clusters_give_no_interval(count: int) -> None:
    """However many edits they hold: 500 mixed outcomes of one sequence are one observation."""
    names = [f"u{row % count}" for row in range(500)]
    values = np.random.default_rng(count).integers(0, 2, size=(500, 3)).astype(float)
    for name, one in estimates(values, names, COLUMNS, GROUPS, resamples=FEW).items():
        assert one is not None and one.value == pytest.approx(slow(values.tolist(), names, PARTS[name])[0])
        assert (one.low is None, one.high is None) == (count < 5, count < 5)
    other = differences(values, 1 - values, names, COLUMNS, GROUPS, resamples=FEW)
    assert all(one and (one.low is None) == (count < 5) for one in other.values())


def test_a_column_seen_in_few_clusters_has_no_interval_and_nor_have_its_groups() -> None:
    values = np.ones((9, 3))
    values[4:, 1] = np.nan
    found = estimates(values, units(9), COLUMNS, GROUPS)
    assert {name for name, one in found.items() if one and one.low is None} == {"b", "pair", "all"}
    assert all(one and one.value == 1 for one in found.values())


@given(st.integers(5, 12), st.integers(0, 30))
def test_a_paired_interval_is_that_of_the_differences_in_every_resample(edits: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    mine, theirs = generator.random((edits, 2)), generator.random((edits, 2))
    gaps = generator.random((edits, 2)) < 0.2
    mine[gaps] = theirs[gaps] = np.nan
    units = [f"u{row:02}" for row in range(edits)]
    found = differences(mine, theirs, units, ["a", "b"], {"both": Group(("a", "b"))}, resamples=50, seed=1)
    counts = resample_counts(edits, resamples=50, seed=1)
    order = sorted(range(edits), key=lambda row: units[row])
    for place, column in enumerate(("a", "b")):
        present = ~np.isnan(mine[:, place])
        if not present.any():
            assert found[column] is None
            continue
        samples = []
        for draw in counts:
            weights = [draw[order.index(row)] * present[row] for row in range(edits)]
            if sum(weights):
                means = [
                    sum(w * side[row, place] for row, w in enumerate(weights) if w) / sum(weights)
                    for side in (mine, theirs)
                ]
                samples.append(means[0] - means[1])
        estimate = found[column]
        assert estimate is not None
        expected = np.nanmean(mine[:, place]) - np.nanmean(theirs[:, place])
        assert estimate.value == pytest.approx(expected, abs=1e-9)
        behind = len({units[row] for row in range(edits) if present[row]})
        if behind < 5:
            assert (estimate.low, estimate.high) == (None, None)
        elif samples:
            low, high = np.percentile(samples, [left_out(behind), 100 - left_out(behind)])
            assert estimate.low == pytest.approx(min(low, expected), abs=1e-9)
            assert estimate.high == pytest.approx(max(high, expected), abs=1e-9)


def test_a_comparison_of_different_measurements_is_refused() -> None:
    one, other = np.array([[1.0], [np.nan]]), np.array([[1.0], [0.0]])
    with pytest.raises(ValueError, match="same edits and the same probes"):
        differences(one, other, ["a", "b"], ["x"], {})


def test_parts_have_one_vote_each_and_are_resampled_apart() -> None:
    rng = np.random.default_rng(5)
    parts = [(rng.random((count, 3)), units(count)) for count in (6, 40)]
    found = estimated(
        averaged(
            [
                drawn(values, names, COLUMNS, GROUPS, resamples=FEW, seed=SEED + number)
                for number, (values, names) in enumerate(parts)
            ]
        )
    )
    samples = []
    for number, (values, names) in enumerate(parts):
        counts = resample_counts(len(names), resamples=FEW, seed=SEED + number)
        samples.append(counts @ values / counts.sum(axis=1, keepdims=True))
    means = (samples[0] + samples[1]) / 2
    for place, column in enumerate(COLUMNS):
        own = found[column]
        assert own is not None
        assert own.value == pytest.approx((parts[0][0][:, place].mean() + parts[1][0][:, place].mean()) / 2)
        out = left_out(6)  # the part with the fewest says
        assert (own.low, own.high) == pytest.approx(tuple(np.percentile(means[:, place], [out, 100 - out])))
    whole = found["all"]
    assert whole is not None and whole.value == pytest.approx(
        np.mean([(v[:, :2].mean() + v[:, 2].mean()) / 2 for v, _ in parts])
    )


def test_one_part_alone_is_its_own_estimate_and_a_part_without_numbers_spoils_the_mean() -> None:
    values, names = np.random.default_rng(2).random((9, 3)), units(9)

    def pooled(*tables):
        return estimated(
            averaged([drawn(own, names[: len(own)], COLUMNS, GROUPS, resamples=FEW) for own in tables])
        )

    assert pooled(values) == estimates(values, names, COLUMNS, GROUPS, resamples=FEW)
    lacking = values.copy()
    lacking[:, 1] = np.nan
    found = pooled(values, lacking)
    assert found["b"] is None and found["pair"] is None and found["a"] is not None
    few = pooled(values, values[:4])
    assert few["a"] is not None and few["a"].low is None
