"""Undone edits: what is asked before and after, and the unit that never made them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.moments import UNDONE, WITHOUT
from mmedit_bench.protocols.rollback import Rollback
from mmedit_bench.protocols.steps import END, Apply, Undo, Unit, in_force, options_of, schedule_of
from tests.fakes.suite import FakeSuite

CASES = FakeSuite(20).cases("test")


def made(unit: Unit) -> list[str]:
    return [step.request.id for step in unit.steps if isinstance(step, Apply)]


def asked(unit: Unit, moment: str) -> list[tuple[str, tuple[str, ...]]]:
    """Cases asked at a moment, with the edits in force."""
    return [
        (step.case.id, tuple(id for _, id in in_force(unit, index)))
        for index, step in unit.asks
        if step.moment == moment
    ]


def test_one_edit_is_undone() -> None:
    for unit, case in zip(schedule_of(Rollback(), CASES, 0), CASES, strict=True):
        assert (unit.id, unit.resampled, made(unit)) == (case.id, case.id, [case.id])
        assert asked(unit, END) == [(case.id, (case.id,))]
        assert asked(unit, UNDONE) == [(case.id, ())]


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 9), st.data(), st.integers(1, 3), st.integers(0, 3))
def test_one_of_many_is_undone(length: int, data: st.DataObject, orders: int, seed: int) -> None:
    undo = data.draw(st.none() | st.integers(1, length))
    protocol = Rollback(length, undo=undo, orders=orders)
    units = schedule_of(protocol, CASES, seed)
    assert units == schedule_of(Rollback(**options_of(protocol)), CASES, seed)
    assert len(units) == 2 * orders * (20 // length)
    for unit, never in zip(units[::2], units[1::2], strict=True):
        order = made(unit)
        place = (length + 1) // 2 if undo is None else undo
        gone = order[place - 1]
        rest = tuple(id for id in order if id != gone)
        assert [step.request for step in unit.steps if isinstance(step, Undo)] == [gone]
        assert asked(unit, END) == [(id, tuple(order)) for id in order]
        assert asked(unit, UNDONE) == [(id, rest) for id in order]
        assert never.id == f"{unit.id}/without" and never.cluster == unit.cluster
        assert tuple(made(never)) == rest
        assert asked(never, WITHOUT) == [(id, rest) for id in order]
        assert len(unit.asks) == 2 * length and len(never.asks) == length


@pytest.mark.parametrize(
    "options", [{"length": 0}, {"undo": 2}, {"length": 4, "undo": 5}, {"orders": 2}, {"sequences": 0}]
)
def test_bad_options_are_named(options) -> None:
    with pytest.raises(BenchError, match=list(options)[-1]):
        Rollback(**options)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(BenchError, match="a sequence of 21 edits cannot be made of 20 cases"):
        schedule_of(Rollback(21), CASES, 0)
