"""Edits that contradict an earlier one: of one item twice, or of two pictures of one thing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.cases import Probe
from mmedit_bench.datasets.picturebook import caption, vqa
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.conflict import Conflict, answers_of, clashes
from mmedit_bench.protocols.moments import WITHOUT
from mmedit_bench.protocols.steps import END, Apply, Unit, in_force, options_of, schedule_of
from tests.fakes.suite import FakeSuite

CASES = FakeSuite(20).cases("test")
BY_ID = {case.id: case for case in CASES}


def made(unit: Unit) -> list[str]:
    return [step.request.id for step in unit.steps if isinstance(step, Apply)]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 7), st.booleans(), st.integers(0, 3))
def test_an_item_edited_twice(between: int, without: bool, seed: int) -> None:
    protocol = Conflict(between=between, without=without)
    units = schedule_of(protocol, CASES, seed)
    assert units == schedule_of(Conflict(**options_of(protocol)), CASES, seed)
    pairs = [unit for unit in units if not unit.id.endswith("/without")]
    assert len(pairs) == 20 // (between + 1)
    assert len(units) == len(pairs) * (2 if without else 1)
    for unit in pairs:
        ids = made(unit)
        own = ids[between + 1 :]
        assert ids == [f"{id}/earlier" for id in own] + own and len(own) == between + 1
        applied = {s.request.id: (at, s.request) for at, s in enumerate(unit.steps) if isinstance(s, Apply)}
        for id in own:
            at, request = applied[id]
            before, earlier = applied[f"{id}/earlier"]
            assert (earlier.query, request) == (request.query, BY_ID[id].request)
            assert earlier.target != request.target
            assert earlier.target in {case.request.target for case in CASES}
            steps = unit.steps[before + 1 : at]
            assert sum(isinstance(step, Apply) for step in steps) == between
        assert [(step.case.id, step.moment) for _, step in unit.asks] == [(id, END) for id in own]
        for index, step in unit.asks:
            assert in_force(unit, index)[-1][1] == step.case.id  # the last edit made is the one asked about
    for unit in units:
        if unit.id.endswith("/without"):
            (pair,) = [one for one in pairs if unit.id == f"{one.id}/without"]
            assert unit.resampled == pair.resampled
            assert made(unit) == made(pair)[between + 1 :]
            assert [(s.case.id, s.moment) for _, s in unit.asks] == [(id, WITHOUT) for id in made(unit)]


def test_the_other_target_answers_the_question() -> None:
    cases = vqa().cases("evaluation")
    prompts = {case.request.query.prompt: set[str]() for case in cases}
    for case in cases:
        prompts[case.request.query.prompt].add(case.request.target)
    for unit in schedule_of(Conflict(without=False), cases, 0):
        earlier, later = (step.request for step in unit.steps if isinstance(step, Apply))
        assert earlier.target in prompts[later.query.prompt] - {later.target}


def test_no_probe_is_edited() -> None:
    """An earlier edit asks what the case's own edit asks, and says what another edit says."""
    cases = caption().cases("evaluation")
    requests = {case.request.query for case in cases}
    targets = {case.request.target for case in cases}
    for rival in ("item", "picture"):
        for unit in schedule_of(Conflict(rival), cases, 0):
            edits = [step.request for step in unit.steps if isinstance(step, Apply)]
            assert {edit.query for edit in edits} <= requests and {edit.target for edit in edits} <= targets


def test_two_targets_for_one_picture() -> None:
    cases = caption().cases("evaluation")
    pairs = clashes(cases)
    assert len(pairs) > 100
    units = schedule_of(Conflict("picture"), cases, 0)
    assert len(units) == 4 * len(pairs)
    for one, other in pairs:
        assert answers_of(other)[one.request.query.digest] == other.request.target != one.request.target
        assert answers_of(one)[other.request.query.digest] == one.request.target
    names = {unit.id: made(unit) for unit in units if not unit.id.endswith("/without")}
    assert set(names) == {f"{a.id}/{b.id}" for a, b in pairs} | {f"{b.id}/{a.id}" for a, b in pairs}
    assert all(ids == name.split("/") for name, ids in names.items())
    by_name = {unit.id: unit for unit in units}
    one, other = pairs[0]
    clusters = {
        by_name[f"{a.id}/{b.id}{more}"].cluster
        for a, b in ((one, other), (other, one))
        for more in ("", "/without")
    }
    assert len(clusters) == 1


def test_pairs_are_found_by_what_they_want() -> None:
    one, other, third = CASES[:3]
    asks = Probe("x", "image_generality", one.request.query, other.request.target)
    back = Probe("y", "image_generality", other.request.query, one.request.target)
    both = [replace(one, probes=(*one.probes, back)), replace(other, probes=(*other.probes, asks)), third]
    assert [(a.id, b.id) for a, b in clashes(both)] == [("test-0", "test-1")]
    assert clashes([one, both[1], third]) == []  # one of them does not mind
    same = Probe("x", "image_generality", one.request.query, one.request.target)
    assert clashes([both[0], replace(other, probes=(*other.probes, same))]) == []


@pytest.mark.parametrize(
    ("options", "cases", "message"),
    [
        ({"rival": "picture"}, CASES, "no two of these 20 cases want different answers"),
        ({"between": 20}, CASES, "a sequence of 21 edits cannot be made of 20 cases"),
        ({}, CASES[:1], "no other target than that of test-0"),
    ],
)
def test_what_cannot_be_done_is_said(options, cases, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        schedule_of(Conflict(**options), cases, 0)


@pytest.mark.parametrize(
    "options", [{"rival": "both"}, {"between": -1}, {"without": 0}, {"between": 2, "rival": "picture"}]
)
def test_bad_options_are_named(options) -> None:
    with pytest.raises(BenchError, match=next(iter(options))):
        Conflict(**options)
