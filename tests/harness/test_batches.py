"""Edits of one batch are made on the model without each other, also after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.cases import EditRequest
from mmedit_bench.errors import BenchError
from mmedit_bench.harness.run import run
from mmedit_bench.protocols.sequential import Sequential
from mmedit_bench.protocols.steps import Apply, Ask, Unit, schedule_of
from mmedit_bench.runs.folder import read_run
from tests.fakes import editors
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.experiment import EACH, contents, experiment
from tests.fakes.suite import FakeSuite
from tests.harness.test_harness_resume import SavedEdit


class Counting(editors.CopyTarget):
    """Answers with the number of edits that its backbone carried."""

    def __init__(self, savable: bool = False, stop: int | None = None) -> None:
        super().__init__()
        self._kind, self._stop = SavedEdit if savable else FakeEdit, stop

    def edit(self, backbone: FakeBackbone, request: EditRequest) -> Any:
        self.seen.append(request.target)
        if len(self.seen) == self._stop:
            raise KeyboardInterrupt
        return self._kind(request.query.prompt, f"on {len(backbone.edits)}")


def batched(editor: Any, length: int, batch: int) -> Any:
    protocol = Sequential(length, sequences=1, orders=1, batch=batch)
    return experiment(editor, suite=FakeSuite(length), backbone=FakeBackbone(), protocol=protocol)


def answers(folder: Path) -> list[str]:
    asks = read_run(folder).asks
    return [p.reading.answer for ask in asks for p in ask.probes if p.id.endswith("p01")]


@pytest.mark.parametrize(("batch", "expected"), [(1, range(7)), (3, [0, 0, 0, 3, 3, 3, 6]), (7, [0] * 7)])
def test_what_a_batch_is_made_on(tmp_path: Path, batch: int, expected: Any) -> None:
    result = run(batched(Counting(), 7, batch), tmp_path)
    assert answers(result.folder) == [f"on {number}" for number in expected]


@pytest.mark.parametrize("savable", [True, False])
def test_a_batch_over_the_end_of_a_segment_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, savable: bool
) -> None:
    monkeypatch.setattr("mmedit_bench.interventions.Edit.load", SavedEdit.load)
    clean = contents(run(batched(Counting(savable), 40, 20), tmp_path / "a", policy=EACH))
    with pytest.raises(KeyboardInterrupt):
        run(batched(Counting(savable, stop=18), 40, 20), tmp_path / "b", policy=EACH)
    again = Counting(savable)
    result = run(batched(again, 40, 20), tmp_path / "b", policy=EACH)
    assert contents(result) == clean
    assert len(again.seen) == (24 if savable else 40)
    assert answers(result.folder) == ["on 0"] * 20 + ["on 20"] * 20


def test_chance_is_the_same_in_every_order_and_alone(tmp_path: Path) -> None:
    """An edit's random numbers follow from its request, so that orders differ by order alone."""
    one = run(experiment(backbone=FakeBackbone()), tmp_path)
    many = run(experiment(backbone=FakeBackbone(), protocol=Sequential(orders=3)), tmp_path)
    said = [
        {(ask.case, ask.probes[1].reading.answer) for ask in read_run(result.folder).asks}
        for result in (one, many)
    ]
    assert said[0] == said[1] and len(said[0]) == 5


def test_beside_are_other_edits_of_the_unit() -> None:
    class Odd:
        name, version = "odd", "1"

        def __init__(self, beside: tuple[str, ...]) -> None:
            self.beside = beside

        def units(self, cases: Any, seed: int) -> Any:
            yield Unit("u", (Apply(cases[0].request, self.beside), Apply(cases[1].request), Ask(cases[0])))

    cases = FakeSuite().cases("test")
    assert schedule_of(Odd((cases[1].id,)), cases, 0)
    for wrong in (cases[0].id, cases[2].id):
        with pytest.raises(BenchError, match=f"made beside {wrong}"):
            schedule_of(Odd((wrong,)), cases, 0)
