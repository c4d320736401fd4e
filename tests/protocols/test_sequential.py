"""Sequences of edits: what is in force, when is asked, and that the order follows from the seed."""

from __future__ import annotations

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.sequential import Sequential
from mmedit_bench.protocols.steps import END, SEGMENT, Apply, Ask, in_force, options_of, schedule_of
from tests.fakes.suite import FakeSuite

CASES = FakeSuite(20).cases("test")


def test_all_edits_are_made_and_then_all_are_asked_about() -> None:
    units = schedule_of(Sequential(), CASES, 0)
    assert [unit.id for unit in units] == [f"order-{number}" for number in range(5)]
    for unit in units:
        made = [step.request.id for step in unit.steps if isinstance(step, Apply)]
        asked = [step for _, step in unit.asks]
        assert sorted(made) == sorted(case.id for case in CASES)
        assert [step.case.id for step in asked] == made
        assert {step.moment for step in asked} == {END}
        for index, _ in unit.asks:
            assert [id for _, id in in_force(unit, index)] == made


def test_orders_differ_and_follow_from_the_seed() -> None:
    orders = [tuple(s for s in unit.steps) for unit in schedule_of(Sequential(), CASES, 0)]
    assert len(set(orders)) == 5
    assert schedule_of(Sequential(), CASES, 0) == schedule_of(Sequential(), CASES, 0)
    assert schedule_of(Sequential(), CASES, 0) != schedule_of(Sequential(), CASES, 1)
    assert schedule_of(Sequential(orders=2), CASES, 0) == schedule_of(Sequential(), CASES, 0)[:2]


def test_a_length_takes_the_first_of_each_order() -> None:
    for short, whole in zip(
        schedule_of(Sequential(length=3), CASES, 0), schedule_of(Sequential(), CASES, 0), strict=True
    ):
        assert short.steps[:3] == whole.steps[:3]
        assert len(short.steps) == 6


def test_moments_between() -> None:
    (unit,) = schedule_of(Sequential(length=7, orders=1, every=3), CASES, 0)
    by_moment: dict[str, list[int]] = {}
    for index, step in unit.asks:
        by_moment.setdefault(step.moment, []).append(len(in_force(unit, index)))
    assert by_moment == {"after 3": [3] * 3, "after 6": [6] * 6, END: [7] * 7}
    (whole,) = schedule_of(Sequential(length=6, orders=1, every=3), CASES, 0)
    assert {step.moment for _, step in whole.asks} == {"after 3", END}  # the sixth is the end


def test_segments_cover_the_unit_in_order() -> None:
    (unit,) = schedule_of(Sequential(orders=1), CASES, 0)
    indices = [index for segment in unit.segments for index in segment]
    assert indices == list(range(40))
    assert [len(segment) for segment in unit.segments] == [SEGMENT, SEGMENT, 8]


@pytest.mark.parametrize(
    "options",
    [
        {"length": 0},
        {"orders": 0},
        {"every": -1},
        {"length": "3"},
        {"orders": True},
        {"orders": None},
        {"every": 10**400},
    ],
)
def test_options_are_numbers(options) -> None:
    with pytest.raises(BenchError, match=next(iter(options))):
        Sequential(**options)


def test_more_than_there_are() -> None:
    with pytest.raises(BenchError, match="there are 20 edits"):
        schedule_of(Sequential(length=21), CASES, 0)


def test_options_as_they_hold() -> None:
    assert options_of(Sequential(length=3)) == {"length": 3, "orders": 5, "every": None}
    assert all(
        isinstance(step, Apply | Ask) for unit in schedule_of(Sequential(), CASES, 0) for step in unit.steps
    )
