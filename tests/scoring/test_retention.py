"""Changes of measured values to the unedited model, against plain loops."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.records import Measured
from mmedit_bench.scoring.intervals import FEWEST
from mmedit_bench.scoring.retention import COLLAPSE, MeasureCell, measure_scores, paired_change
from mmedit_bench.scoring.tails import left_out

Values = dict[str, Any]


def record(unit: str, moment: str, values: Values, edits: tuple[str, ...] = (), **own: Any) -> Measured:
    edits = edits or (() if moment == "start" else ("one",))
    return Measured(unit=unit, step=0, measure="m", moment=moment, values=values, edits=edits, **own)


def cell(records: list[Measured], name: str, moment: str = "end") -> MeasureCell:
    return measure_scores(records)["m"][moment][name]


def test_a_change_is_the_mean_over_items_and_units_of_pairs() -> None:
    before = {"a": (1.0, 0.0, 1.0, 1.0), "b": (1.0, 1.0, 1.0, 1.0)}
    after = {"a": (0.0, 0.0, 1.0, 0.0), "b": (1.0, 0.0, 1.0, 1.0)}
    records = [record(unit, "start", {"acc": value}) for unit, value in before.items()]
    records += [record(unit, "end", {"acc": value}) for unit, value in after.items()]
    found = cell(records, "acc")
    assert (found.value, found.start, found.delta) == (0.5, 0.875, -0.375)
    assert (found.items, found.units, found.collapsed, found.failed) == (4, 2, None, 0)
    assert (found.low, found.high) == (None, None)  # four items, two units: too few of either
    assert cell(records, "acc", "start").delta == 0.0


def test_a_perplexity_is_the_exponential_of_the_mean_and_may_collapse() -> None:
    items = (0.1, 0.3, 0.2, 0.4, 0.5)
    start = [record(unit, "start", {"t/perplexity:nats": items}) for unit in "ab"]
    worse = tuple(item + math.log(COLLAPSE) + 0.01 for item in items)
    fine = tuple(item + math.log(COLLAPSE) - 0.01 for item in items)
    ends = [record("a", "end", {"t/perplexity:nats": worse}), record("b", "end", {"t/perplexity:nats": fine})]
    found = cell([*start, *ends], "t/perplexity")
    assert found.value == pytest.approx(math.exp(0.3) * COLLAPSE)
    assert found.start == pytest.approx(math.exp(0.3))
    assert found.delta == pytest.approx(math.exp(0.3) * (COLLAPSE - 1))
    assert found.collapsed == 1
    assert cell([*start, *ends], "t/perplexity", "start").collapsed == 0
    huge = cell([start[0], record("a", "end", {"t/perplexity:nats": (1e5,) * 5})], "t/perplexity")
    assert math.isfinite(huge.value)
    assert huge.collapsed == 1


def test_nothing_changed_is_exactly_nothing() -> None:
    values = {"acc": tuple(random.Random(0).random() for _ in range(50)), "p:nats": (0.3, 0.7, 0.2, 0.5, 0.1)}
    for name in ("acc", "p"):
        found = cell([record("u", "start", values), record("u", "end", dict(values))], name)
        assert (found.delta, found.low, found.high) == (0.0, 0.0, 0.0)


def test_without_a_start_there_is_no_change() -> None:
    found = cell([record("u", "end", {"x": 2.0})], "x")
    assert (found.value, found.start, found.delta, found.items) == (2.0, None, None, 1)
    # a measurement that calls itself the start and has edits in force is none
    edited = record("u", "start", {"x": 1.0}, edits=("one",))
    assert cell([edited, record("u", "end", {"x": 2.0})], "x").start is None


def test_units_without_a_start_count_in_the_value_alone() -> None:
    records = [
        record("a", "start", {"x": 1.0}),
        record("a", "end", {"x": 2.0}),
        record("b", "end", {"x": 8.0}),
    ]
    found = cell(records, "x")
    assert (found.value, found.start, found.delta, found.units) == (5.0, 1.0, 1.0, 2)


def test_failures_are_counted() -> None:
    records = [record("a", "end", {"x": 1.0}, status="failed", error="e"), record("b", "end", {"x": 1.0})]
    assert cell(records, "x").failed == 1


def test_uneven_items_are_refused() -> None:
    with pytest.raises(BadRecord, match="measured value x does not have the same items"):
        measure_scores([record("a", "end", {"x": (1.0, 2.0)}), record("b", "end", {"x": (1.0,)})])
    with pytest.raises(BadRecord, match="measured value x"):
        measure_scores([record("a", "start", {"x": (1.0, 2.0)}), record("a", "end", {"x": (1.0,)})])


def test_moments_and_measures_keep_the_schedules_order() -> None:
    moments = ("start", "after 10", "after 2", "end")
    found = measure_scores([record("u", moment, {"x": 1.0}) for moment in moments])
    assert tuple(found["m"]) == moments


# ---- intervals


def slow(after: np.ndarray, before: np.ndarray, exponential: bool) -> tuple[float, float]:
    """Units and items drawn one by one, means taken by loops."""
    draw = random.Random(1)
    units, items = after.shape
    found = []
    for _ in range(4000):
        rows = [draw.randrange(units) for _ in range(units)] if units >= FEWEST else range(units)
        columns = [draw.randrange(items) for _ in range(items)] if items >= FEWEST else range(items)
        a, b = (np.mean([[table[r, c] for c in columns] for r in rows]) for table in (after, before))
        found.append(math.exp(a) - math.exp(b) if exponential else a - b)
    out = left_out(min(number for number in (units, items) if number >= FEWEST))
    low, high = np.percentile(found, [out, 100 - out])
    return float(low), float(high)


@pytest.mark.parametrize("exponential", [False, True])
@pytest.mark.parametrize("shape", [(1, 30), (6, 2), (6, 12), (3, 12)])
def test_intervals_agree_with_drawing_one_by_one(shape: tuple[int, int], exponential: bool) -> None:
    make = np.random.default_rng(3)
    before = make.random(shape)
    after = before + 0.3 * make.random(shape) + 0.2 * make.random((shape[0], 1))
    found = paired_change(after, before, exponential=exponential)
    assert found.low is not None
    assert found.high is not None
    low, high = slow(after, before, exponential)
    assert found.low == pytest.approx(low, abs=0.15 * (high - low))
    assert found.high == pytest.approx(high, abs=0.15 * (high - low))


def test_as_many_units_as_items_are_drawn_apart() -> None:
    """Drawn alike, a change that only units differ in would be counted with the items it was drawn with."""
    units = np.arange(8.0)[:, None] @ np.ones((1, 8))
    only_units = paired_change(units, np.zeros((8, 8)), exponential=False)
    by_mean = paired_change(units.mean(axis=1, keepdims=True), np.zeros((8, 1)), exponential=False)
    assert (only_units.low, only_units.high) == pytest.approx((by_mean.low, by_mean.high))


tables = st.integers(1, 7).flatmap(
    lambda items: st.lists(st.lists(st.floats(-3, 3), min_size=items, max_size=items), min_size=1, max_size=7)
)


@given(tables, st.booleans())
def test_bounds_hold_the_value_and_order_does_not_matter(rows: list[list[float]], exponential: bool) -> None:
    name = "x:nats" if exponential else "x"
    units = [f"u{number}" for number in range(len(rows))]
    start = [record(unit, "start", {name: (0.5,) * len(rows[0])}) for unit in units]
    ends = [record(unit, "end", {name: tuple(row)}) for unit, row in zip(units, rows, strict=True)]
    found = cell([*start, *ends], "x")
    assert found.delta is not None
    assert found.value == pytest.approx((found.start or 0.0) + found.delta)
    if found.low is not None and found.high is not None:
        assert found.low <= found.delta <= found.high
    assert cell([*reversed(ends), *reversed(start)], "x") == found
