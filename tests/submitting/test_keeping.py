"""Edits that were kept are the edits that were recorded: applied from their files they answer the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.execution.engines.local import LocalEngine
from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.harness.asking import ask
from mmedit_bench.interventions import Edit
from mmedit_bench.protocols.steps import Ask, in_force
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.records import Applied
from mmedit_bench.submissions import limits
from mmedit_bench.submissions.folder import edit_file
from mmedit_bench.submitting import keeping
from mmedit_bench.submitting.keeping import EditNotData, Keeping, kept_edits
from tests.execution.conftest import lab as lab

LAB: dict[str, Any] = {"suite": "lab-suite", "backbone": "lab-backbone"}


@pytest.mark.parametrize(
    ("editor", "options", "protocol", "settings", "isolated"),
    [
        ("fragile", {}, "one-step", {}, True),
        ("ft", {"steps": 2}, "sequential", {"orders": 2, "batch": 2, "checkpoints": [2]}, False),
        ("echo", {}, "rollback", {"length": 3}, False),
        ("echo", {}, "conflict", {}, False),
    ],
)
def test_kept_edits_answer_as_recorded(
    lab: Path, editor: str, options: dict[str, Any], protocol: str, settings: dict[str, Any], isolated: bool
) -> None:
    workshop, folder = Workshop(), lab / "edits"
    order = Order(
        editor=editor, options=options, limit=4, protocol=protocol, protocol_options=settings, **LAB
    )
    result = workshop.run(
        order, lab / "runs", isolation=Isolation() if isolated else None,
        between=lambda side: Keeping(side, folder),
    )  # fmt: skip
    plain = workshop.run(order, lab / "plain")
    for name in ("manifest.json", "predictions.jsonl"):
        assert (result.folder / name).read_bytes() == (plain.folder / name).read_bytes()
    state = read_run(result.folder)
    plan = workshop.plan_of(order, state.manifest)
    found = kept_edits(folder, plan, state)
    failed = {(r.unit, r.step) for r in state.records if isinstance(r, Applied) and r.status == "failed"}
    recorded = {(record.unit, record.step): record for record in state.asks}
    base, asked = workshop.backbone(order), 0
    for number, unit in enumerate(plan.schedule):
        mine = frozenset(step for name, step in failed if name == unit.id)
        for index, step in enumerate(unit.steps):
            if isinstance(step, Ask):
                edits = [Edit.load(found[edit_file(number, one)]) for one, _ in in_force(unit, index, mine)]
                again = ask(base.edited(*edits), step.case.probes)
                record = recorded[unit.id, index]
                assert [probe.reading for probe in record.probes] == list(again.readings)
                asked += 1
    assert asked == len(recorded) > 0
    assert len([name for name in found if "/" not in name]) == sum(
        isinstance(record, Applied) and record.status == "ok" for record in state.records
    )


def test_a_run_whose_edits_were_not_kept_is_refused(lab: Path) -> None:
    workshop, order = Workshop(), Order(editor="echo", limit=2, **LAB)
    state = read_run(workshop.run(order, lab / "runs").folder)
    with pytest.raises(BadRecord, match="without its edits being kept"):
        kept_edits(lab / "edits", workshop.plan_of(order, state.manifest), state)


def test_code_in_an_edit_ends_the_run_and_names_the_other_track(lab: Path) -> None:
    order = Order(editor="keeper", limit=2, **LAB)
    with pytest.raises(EditNotData, match=r"a Route through a reader.*--track code"):
        Workshop().run(order, lab / "runs", between=lambda side: Keeping(side, lab / "edits"))
    assert not list(lab.glob("edits/*.safetensors"))


def test_an_edit_larger_than_a_file_may_be_is_refused(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keeping.MOST_FILE == limits.MOST_FILE
    monkeypatch.setattr(keeping, "MOST_FILE", 1000)
    order = Order(editor="ft", options={"steps": 1}, limit=1, **LAB)
    with pytest.raises(EditNotData, match="--track code"):
        Workshop().run(order, lab / "runs", between=lambda side: Keeping(side, lab / "edits"))


def test_a_disk_that_refuses_ends_the_run_and_fails_no_edit(lab: Path) -> None:
    (lab / "edits").write_text("a file where a folder is needed")
    order = Order(editor="echo", limit=1, **LAB)
    with pytest.raises(BenchError, match="edits"):
        Workshop().run(order, lab / "runs", between=lambda side: Keeping(side, lab / "edits"))
    (folder,) = (lab / "runs").glob("lab-suite--*")
    assert read_run(folder).records == ()


def test_workers_have_editors_of_their_own(lab: Path) -> None:
    with pytest.raises(BenchError, match="use one process"):
        Workshop().run(
            Order(editor="echo", **LAB), lab / "runs", engine=LocalEngine(2),
            between=lambda side: Keeping(side, lab / "edits"),
        )  # fmt: skip
