"""Sequences of two tasks: as many of each, in turn or in blocks, each task also alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.datasets.picturebook import mix, vqa
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.cross_task import CrossTask
from mmedit_bench.protocols.moments import ALONE, after
from mmedit_bench.protocols.steps import END, Apply, Unit, in_force, options_of, schedule_of
from tests.fakes.suite import FakeSuite

CASES = tuple(
    replace(case, task="caption" if number % 3 else "vqa")
    for number, case in enumerate(FakeSuite(24).cases("test"))
)
TASK = {case.id: case.task for case in CASES}


def made(unit: Unit) -> list[str]:
    return [step.request.id for step in unit.steps if isinstance(step, Apply)]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([2, 4, 6, 8]), st.sampled_from(["interleaved", "blocked"]), st.booleans(),
    st.integers(1, 4), st.integers(0, 3),
)  # fmt: skip
def test_schedules(length: int, order: str, alone: bool, orders: int, seed: int) -> None:
    protocol = CrossTask(length, order, orders=orders, alone=alone, checkpoints=[2])
    units = schedule_of(protocol, CASES, seed)
    assert units == schedule_of(CrossTask(**options_of(protocol)), CASES, seed)
    mixed = [unit for unit in units if unit.id.count("/") == 1]
    assert len(mixed) == orders * (8 // (length // 2))
    assert len(units) == len(mixed) * (3 if alone else 1)
    for unit in mixed:
        ids = made(unit)
        tasks = [TASK[id] for id in ids]
        assert Counter(tasks) == {"vqa": length // 2, "caption": length // 2}
        number = int(unit.id.rpartition("-")[2])
        first, second = ("caption", "vqa") if number % 2 == 0 else ("vqa", "caption")
        if order == "blocked":
            assert tasks == [first] * (length // 2) + [second] * (length // 2)
        else:
            assert tasks == [first, second] * (length // 2)
        asked = Counter((step.case.id, step.moment) for _, step in unit.asks)
        halfway = Counter((id, after(2)) for id in ids[:2]) if length > 2 else Counter()
        assert asked == Counter((id, END) for id in ids) + halfway
        for task in ("caption", "vqa") if alone else ():
            (own,) = [one for one in units if one.id == f"{unit.id}/{task}"]
            assert own.cluster == unit.cluster
            assert made(own) == [id for id in ids if TASK[id] == task]
            assert [(s.case.id, s.moment) for _, s in own.asks] == [(id, ALONE) for id in made(own)]
            assert [id for _, id in in_force(own, len(own.steps))] == made(own)
    clusters = {unit.cluster: frozenset(made(unit)) for unit in mixed}
    assert all(frozenset(made(unit)) == clusters[unit.cluster] for unit in mixed)
    assert sum(map(len, clusters.values())) == len(frozenset().union(*clusters.values()))


def test_picturebook_in_the_form_of_the_paper() -> None:
    units = schedule_of(CrossTask(alone=False), mix().cases("evaluation")[:300], 0)
    assert len(units) == 30 * 5
    long = schedule_of(CrossTask(100, orders=1, alone=False), mix().cases("evaluation"), 0)
    assert len(long) >= 3


@pytest.mark.parametrize(
    ("options", "cases", "message"),
    [
        ({}, vqa().cases("evaluation"), "all cases are of the task 'vqa'.*picturebook-mix"),
        ({"length": 5}, CASES, "'length' is 5, which the 2 tasks caption, vqa do not divide"),
        ({"length": 18}, CASES, "a sequence of 18 edits cannot be made of 24 cases"),
    ],
)
def test_what_cannot_be_done_is_said(options, cases, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        schedule_of(CrossTask(**options), cases, 0)


@pytest.mark.parametrize("options", [{"order": "by chance"}, {"alone": 1}, {"length": 1}, {"orders": 0}])
def test_bad_options_are_named(options) -> None:
    with pytest.raises(BenchError, match=next(iter(options))):
        CrossTask(**options)
