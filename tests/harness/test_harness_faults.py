"""Editors that fail, and editors that alter the backbone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import WeightsChanged
from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.run import run
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.records import Applied, Asked
from tests.fakes import editors
from tests.fakes.backbone import FakeBackbone
from tests.fakes.experiment import EACH, SELDOM, baseline_of, contents, experiment


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (editors.raises, "edit: ValueError: cannot edit new 1, object at 0x…"),
        (editors.exits, "edit: SystemExit: 0"),
        (editors.returns_nonsense, "edit: TypeError: not an edit: 'an edit'"),
        (editors.returns_unusable, "asking with edit test-1: ValueError: this edit does not fit the model"),
    ],
)
def test_a_failed_edit_is_recorded_and_the_run_goes_on(tmp_path: Path, fault: Any, message: str) -> None:
    result = run(experiment(editors.CopyTarget(fault)), tmp_path)
    assert (result.status, result.failed, result.units) == ("complete", 1, 4)
    state = read_run(result.folder)
    errors = [
        record.error for record in state.records if isinstance(record, Applied | Asked) and record.error
    ]
    assert errors == [message]
    assert [ask.edits for ask in state.asks] == [("test-0",), (), ("test-2",), ("test-4",)]
    before = baseline_of(tmp_path, result).probes["test-1"]
    assert [probe.reading for probe in state.asks[1].probes] == [probe.reading for probe in before]
    assert run(experiment(editors.CopyTarget(fault)), tmp_path).failed == 1


def test_a_backbone_that_fails_unedited_stops_the_run(tmp_path: Path) -> None:
    backbone = FakeBackbone()

    def broken(query: Any) -> None:
        raise RuntimeError("out of memory")

    backbone.model.hooks.append(broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        run(experiment(backbone=backbone), tmp_path)


@pytest.mark.parametrize("policy", [EACH, SELDOM, ProofPolicy(), ProofPolicy(every=2)])
@pytest.mark.parametrize("fault", [editors.writes, editors.writes_unseen, editors.leaves_hook])
def test_nothing_unproven_is_recorded(tmp_path: Path, fault: Any, policy: ProofPolicy) -> None:
    clean = contents(run(experiment(), tmp_path / "a"))[1]
    exp = experiment(editors.CopyTarget(fault))
    with pytest.raises(WeightsChanged, match="editor copy: after") as caught:
        run(exp, tmp_path / "b", policy=policy)
    (folder,) = (tmp_path / "b").glob("fakes--*")
    assert str(folder) in str(caught.value)
    state = read_run(folder)
    assert not state.complete
    assert 1 <= len(state.finished_units) <= 2  # the first unit is always proven
    assert clean.startswith(contents(folder)[1])
    with pytest.raises(WeightsChanged, match="load it anew"):  # in this process the model is spoilt
        run(experiment(backbone=exp.backbone), tmp_path / "b")


@pytest.mark.parametrize("fault", [editors.writes, editors.writes_unseen, editors.leaves_hook])
def test_an_altered_backbone_leaves_no_trace_in_the_baseline(tmp_path: Path, fault: Any) -> None:
    clean = contents(run(experiment(), tmp_path / "a"))
    with pytest.raises(WeightsChanged):
        run(experiment(editors.CopyTarget(fault)), tmp_path / "b", policy=SELDOM)
    for folder in (tmp_path / "b").glob("fakes--*"):
        shutil.rmtree(folder)
    assert contents(run(experiment(), tmp_path / "b")) == clean


def test_weights_put_back_are_forgiven(tmp_path: Path) -> None:
    clean = contents(run(experiment(), tmp_path / "a"))
    editor = editors.CopyTarget(editors.writes_and_restores)
    assert contents(run(experiment(editor), tmp_path / "b")) == clean


def test_prepare_must_leave_the_backbone_alone(tmp_path: Path) -> None:
    class Greedy(editors.Preparing):
        def prepare(self, backbone: FakeBackbone, cases: Sequence[EditCase]) -> None:
            backbone.model.weights[0] = 7

    with pytest.raises(WeightsChanged, match="after the editor was prepared"):
        run(experiment(Greedy()), tmp_path)
