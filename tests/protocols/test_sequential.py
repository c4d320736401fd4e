"""Sequences of edits: what is in force, when is asked, and that all follows from cases, seed and options."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.moments import START, after, age, edits_after, edits_of_age
from mmedit_bench.protocols.sequential import Sequential
from mmedit_bench.protocols.steps import (
    END,
    SEGMENT,
    Apply,
    Ask,
    Measure,
    Unit,
    in_force,
    options_of,
    schedule_of,
)
from tests.fakes.suite import FakeSuite

CASES = FakeSuite(20).cases("test")


def made(unit: Unit) -> list[str]:
    return [step.request.id for step in unit.steps if isinstance(step, Apply)]


def test_all_edits_are_made_and_then_all_are_asked_about() -> None:
    units = schedule_of(Sequential(), CASES, 0)
    assert [unit.id for unit in units] == [f"sequence-0/order-{number}" for number in range(5)]
    for unit in units:
        asked = [step for _, step in unit.asks]
        assert sorted(made(unit)) == sorted(case.id for case in CASES)
        assert [step.case.id for step in asked] == made(unit)
        assert {step.moment for step in asked} == {END}
        for index, _ in unit.asks:
            assert [id for _, id in in_force(unit, index)] == made(unit)


def test_the_form_of_the_paper() -> None:
    units = schedule_of(Sequential(length=6), CASES, 0)
    assert Counter(unit.cluster for unit in units) == {f"sequence-{number}": 5 for number in range(3)}
    sets = {unit.cluster: frozenset(made(unit)) for unit in units}
    assert all(frozenset(made(unit)) == sets[unit.cluster] for unit in units)
    assert len(frozenset().union(*sets.values())) == 18
    assert len({tuple(made(unit)) for unit in units}) == 15


def test_orders_follow_from_the_seed() -> None:
    assert schedule_of(Sequential(), CASES, 0) == schedule_of(Sequential(), CASES, 0)
    assert schedule_of(Sequential(), CASES, 0) != schedule_of(Sequential(), CASES, 1)
    assert schedule_of(Sequential(orders=2), CASES, 0) == schedule_of(Sequential(), CASES, 0)[:2]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_schedules(data: st.DataObject) -> None:
    """Against what the moments mean, read off the edits in force, for any options that are allowed."""
    batch = data.draw(st.sampled_from([1, 1, 2, 3]))
    length = data.draw(st.integers(1, 10))
    multiples = range(batch, length + 1, batch)
    checkpoints = data.draw(st.lists(st.sampled_from([*multiples, length]), max_size=3))
    ages = data.draw(st.lists(st.sampled_from(range(0, length, batch)), max_size=3))
    every = batch * data.draw(st.integers(1, 3))
    orders, seed = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 5))
    protocol = Sequential(
        length, orders=orders, checkpoints=checkpoints, ages=ages, every=every, batch=batch,
        measures={"size": {"of": "answers"}},
    )  # fmt: skip
    units = schedule_of(protocol, CASES, seed)
    assert units == schedule_of(Sequential(**options_of(protocol)), CASES, seed)
    assert len(units) == orders * (20 // length)
    for unit in units:
        order = made(unit)
        assert len(order) == length == len(set(order))
        expected: Counter[tuple[str, str]] = Counter((id, END) for id in order)
        for done in {*checkpoints} - {length}:
            expected.update((id, after(done)) for id in order[:done])
        ends = [*multiples, *([length] if length % batch else [])]
        for done in ends:
            if done % every == 0:
                for gap in {*ages}:
                    if done - gap in ends:
                        own = [id for at, id in enumerate(order) if at // batch == (done - gap - 1) // batch]
                        expected.update((id, age(gap)) for id in own)
        assert Counter((step.case.id, step.moment) for _, step in unit.asks) == expected
        assert max(expected.values()) == 1
        for index, step in unit.asks:
            there = [id for _, id in in_force(unit, index)]
            assert there == order[: len(there)]
            if (edits := edits_after(step.moment)) is not None:
                assert len(there) == edits
            elif (gap := edits_of_age(step.moment)) is not None:
                block = order.index(step.case.id) // batch
                assert len(there) == min(length, (block + 1) * batch) + gap and len(there) % every == 0
            else:
                assert len(there) == length
        for index, step in enumerate(unit.steps):
            if isinstance(step, Apply):
                block = order.index(step.request.id) // batch
                mates = order[block * batch : (block + 1) * batch]
                assert step.beside == tuple(id for id in mates if id != step.request.id)
            if isinstance(step, Measure):
                number = {START: 0, END: length}.get(step.moment, edits_after(step.moment))
                assert len(in_force(unit, index)) == number
        taken = [step.moment for step in unit.steps if isinstance(step, Measure)]
        assert taken == [START, *(after(done) for done in sorted({*checkpoints} - {length})), END]


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
        {"sequences": 0},
        {"sequences": 2},
        {"checkpoints": [0]},
        {"checkpoints": [2.0]},
        {"ages": [-1]},
        {"batch": 0},
        {"measures": ["lm-eval"]},
        {"measures": {"lm-eval": 3}},
    ],
)
def test_bad_options_are_named(options) -> None:
    with pytest.raises(BenchError, match=next(iter(options))):
        Sequential(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 21}, "a sequence of 21 edits cannot be made of 20 cases"),
        ({"length": 6, "sequences": 4}, "4 sequences of 6 edits cannot"),
        ({"length": 5, "checkpoints": [6]}, "'checkpoints' has 6, which a sequence of 5 edits does not"),
        ({"length": 5, "ages": [5]}, "'ages' has 5"),
        ({"length": 6, "batch": 3, "checkpoints": [4]}, "'checkpoints' has 4, which is inside of a batch"),
        ({"length": 6, "batch": 3, "ages": [1]}, "'ages' has 1"),
        ({"length": 6, "batch": 3, "every": 2}, "'every' has 2"),
    ],
)
def test_what_cannot_be_done_is_said(options, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        schedule_of(Sequential(**options), CASES, 0)


def test_options_as_they_hold() -> None:
    assert options_of(Sequential(length=3, ages=0)) == {
        "length": 3, "sequences": None, "orders": 5, "checkpoints": None, "ages": [0], "every": None,
        "batch": None, "measures": None,
    }  # fmt: skip
    steps = [step for unit in schedule_of(Sequential(), CASES, 0) for step in unit.steps]
    assert all(isinstance(step, Apply | Ask) for step in steps)


def test_without_cases_there_is_nothing_to_do() -> None:
    assert schedule_of(Sequential(length=3), (), 0) == ()
