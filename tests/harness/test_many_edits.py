"""Every protocol of many edits, from a schedule to scores: undisturbed, and killed on the way."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.cases import EditCase, EditRequest
from mmedit_bench.harness.run import run
from mmedit_bench.plugins.registry import PROTOCOLS
from mmedit_bench.protocols.moments import START
from mmedit_bench.protocols.steps import END
from mmedit_bench.runs.folder import read_run
from mmedit_bench.scoring.score import scored
from mmedit_bench.scoring.scores import RunScores
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.experiment import EACH, contents, experiment
from tests.fakes.suite import FakeSuite
from tests.harness.test_harness_resume import SavedEdit


class TwoTasks(FakeSuite):
    def _case(self, split: str, number: int) -> EditCase:
        return replace(super()._case(split, number), task=("vqa", "caption")[number % 2])


class Says:
    """Its edits answer the edited question with the target, or, if stubborn, as it was edited first."""

    name = "says"
    version = "1"

    def __init__(self, stubborn: bool = False, stop: int | None = None) -> None:
        self.stubborn, self.stop, self.made = stubborn, stop, 0

    def edit(self, backbone: FakeBackbone, request: EditRequest) -> Any:
        self.made += 1
        if self.made == self.stop:
            raise KeyboardInterrupt
        prompt = request.query.prompt
        if self.stubborn and any(edit.prompt == prompt for edit in backbone.edits):
            prompt = "something else"
        return SavedEdit(prompt, request.target)


CASES = 16
OPTIONS: dict[str, dict[str, Any]] = {
    "sequential": {"length": 8, "orders": 2, "checkpoints": [1, 5], "ages": [0, 3]},
    "cross-task": {"length": 4, "orders": 2, "checkpoints": [2]},
    "conflict": {"between": 3},
    "rollback": {"length": 5, "orders": 2},
}


def experiment_of(name: str, editor: Any, **options: Any) -> Any:
    protocol = PROTOCOLS.load(name)(**(OPTIONS[name] | options))
    return experiment(editor, suite=TwoTasks(CASES), backbone=FakeBackbone(), protocol=protocol)


def scores_of(name: str, out: Path, editor: Any = None, **options: Any) -> RunScores:
    result = run(experiment_of(name, editor or Says(), **options), out)
    return scored(result.folder, TwoTasks(CASES))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_killed_run_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("mmedit_bench.interventions.Edit.load", SavedEdit.load)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    whole = Says()
    clean = contents(run(experiment_of(name, whole), tmp_path / "a", policy=EACH))
    stops = random.Random(name).sample(range(2, whole.made), 2)
    for stop in sorted(stops):
        with pytest.raises(KeyboardInterrupt):
            run(experiment_of(name, Says(stop=stop)), tmp_path / f"b{stop}", policy=EACH)
        result = run(experiment_of(name, Says()), tmp_path / f"b{stop}", policy=EACH)
        assert contents(result) == clean


def test_sequences(tmp_path: Path) -> None:
    scores = scores_of("sequential", tmp_path)
    assert list(scores.moments) == ["age 0", "after 1", "age 3", "after 5"]
    found = scores.sequences["generation"]
    assert (found.length, found.sequences, found.orders) == (8, 2, 2)
    assert [point.cells["reliability/main"].value for point in found.curve] == [100, 100, 100]
    # the fake answers anew after every edit, in every order alike
    assert [point.cells["text_locality/main"].value for point in found.retention] == [0, 0]
    assert found.order_deviation["text_locality/main"].value == 0
    assert not scores.conflict and not scores.rollback


def test_measures_are_taken_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = lambda backbone, scale: {"edits": scale * len(backbone.edits)}  # noqa: E731
    monkeypatch.setattr("mmedit_bench.harness.walk.MEASURES.load", lambda name: measure)
    options = {"measures": {"count": {"scale": 2}}, "sequences": 1}
    result = run(experiment_of("sequential", Says(), **options), tmp_path)
    state = read_run(result.folder)
    taken = [(one.unit, one.moment, one.values["edits"]) for one in state.measures]
    assert taken == [
        (f"sequence-0/order-{order}", moment, 2 * edits)
        for order in range(2)
        for moment, edits in ((START, 0), ("after 1", 1), ("after 5", 5), (END, 8))
    ]
    assert scored(result.folder, TwoTasks(CASES)).complete


def test_tasks_side_by_side(tmp_path: Path) -> None:
    scores = scores_of("cross-task", tmp_path)
    cells = scores.family("generation").by_task
    assert set(cells) == {"vqa", "caption"}
    assert {cells[task]["reliability/main"].value for task in cells} == {100}
    found = scores.sequences["generation"]
    assert found.interference["vqa"]["reliability/main"].value == 0
    assert found.interference["all"]["reliability/main"].edits == 32


@pytest.mark.parametrize("between", [0, 3])
def test_the_last_edit_wins_or_does_not(tmp_path: Path, between: int) -> None:
    for stubborn, last, earlier in ((False, 100, 0), (True, 0, 100)):
        scores = scores_of("conflict", tmp_path / str(stubborn), Says(stubborn), between=between)
        found = scores.conflict["generation"]
        assert found.last["reliability/main"].value == last
        assert (found.earlier["reliability/main"].value, found.earlier["all"].edits) == (earlier, CASES)
        assert found.cost["reliability/main"].value == 100 - last
        assert not scores.conflict["teacher_forced_exact"].earlier
        assert not scores.sequences


@pytest.mark.parametrize("length", [1, 5])
def test_what_is_undone_leaves_nothing(tmp_path: Path, length: int) -> None:
    scores = scores_of("rollback", tmp_path, length=length, orders=1)
    found = scores.rollback["generation"]
    assert found.identical == found.units == (CASES if length == 1 else 3)
    assert found.undone["all"].value == 100
    assert {"reliability/main", "text_locality/main", "image_locality/main"} < found.undone.keys()
    assert (found.others["all"].value if length > 1 else found.others) == (100 if length > 1 else {})
    assert not scores.sequences and not scores.conflict


def test_an_editor_that_looks_at_the_edits_in_force_is_seen(tmp_path: Path) -> None:
    class Looks(Says):
        def edit(self, backbone: FakeBackbone, request: EditRequest) -> Any:
            return FakeEdit(request.query.prompt, f"{request.target} after {len(backbone.edits)}")

    found = scores_of("rollback", tmp_path, Looks()).rollback["generation"]
    assert found.identical == 0
    assert found.undone["all"].value == 100
    # of five edits the third is undone: the two after it were made on one more than without it
    assert found.others["reliability/main"].value == pytest.approx(100 * 2 / 4)
