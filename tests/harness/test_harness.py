"""The harness with a backbone without torch: what is recorded, repeated and never shown."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe
from mmedit_bench.errors import BadData, BenchError
from mmedit_bench.harness.run import run
from mmedit_bench.protocols.steps import Ask, Restore, Unit
from mmedit_bench.runs.folder import read_run
from tests.fakes import editors
from tests.fakes.backbone import FakeBackbone
from tests.fakes.experiment import EACH, contents, experiment, reachable
from tests.fakes.protocol import Sequential
from tests.fakes.suite import FakeSuite


def test_records_every_probe_before_and_after(tmp_path: Path) -> None:
    result = run(experiment(), tmp_path)
    assert (result.status, result.units, result.new, result.failed) == ("complete", 4, 4, 0)
    state = read_run(result.folder)
    assert state.complete
    first = state.asks[0]
    assert (first.unit, first.step, first.case, first.edits) == ("test-0", 1, "test-0", ("test-0",))
    assert (first.status, first.error, first.last) == ("ok", None, True)
    unrelated, edited, _ = first.probes
    assert edited.answer.startswith("new 0 ")
    assert not edited.before.answer.startswith("new")
    assert edited.target == (*b"new 0", 2)
    assert edited.argmax[:5] == tuple(b"new 0")
    assert [probe.id for probe in first.probes] == ["test-0/p00", "test-0/p01", "test-0/p02"]
    assert unrelated.answer != unrelated.before.answer  # the fake's answers depend on the number of edits


def test_lines_are_canonical_json(tmp_path: Path) -> None:
    lines = contents(run(experiment(), tmp_path))[1].decode().splitlines()
    for line in lines:
        spelt = json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert line == spelt
    assert "é" in lines[0]


def test_selection_counts_are_in_the_manifest(tmp_path: Path) -> None:
    manifest = json.loads(contents(run(experiment(limit=3), tmp_path))[0])
    assert manifest["selection"] == {
        "considered": 3,
        "already_right": 0,
        "kept": 3,
        "cases": ["test-0", "test-1", "test-2"],
    }
    assert (manifest["units"], manifest["asks"]) == (3, 3)
    everything = run(experiment(), tmp_path)
    assert (everything.selection.considered, everything.selection.already_right) == (5, 1)
    assert "test-3" not in everything.selection.cases


def test_nothing_to_edit_is_a_complete_run(tmp_path: Path) -> None:
    knows = {f"what is test-{i}?": f"new {i}" for i in range(5)}
    first = run(experiment(backbone=FakeBackbone(knows)), tmp_path)
    assert (first.status, first.units, first.selection.kept) == ("complete", 0, 0)
    assert read_run(first.folder).complete
    assert run(experiment(backbone=FakeBackbone(knows)), tmp_path).status == "already complete"


def test_a_control_says_so(tmp_path: Path) -> None:
    editor = editors.CopyTarget()
    assert not read_run(run(experiment(editor), tmp_path / "a").folder).manifest.control
    editor.control = True  # type: ignore[attr-defined]
    assert read_run(run(experiment(editor), tmp_path / "b").folder).manifest.control


def test_timings_name_each_edit(tmp_path: Path) -> None:
    folder = run(experiment(), tmp_path).folder
    rows = [json.loads(line) for line in (folder / "timings.jsonl").read_text().splitlines()]
    assert [row["case"] for row in rows] == ["test-0", "test-1", "test-2", "test-4"]
    assert all(row["seconds"] >= 0 and row["edit_bytes"] == 8 for row in rows)


def test_progress_names_phases_and_ends_full(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run(experiment(), tmp_path, progress=lambda *step: told.append(step))
    assert [phase for phase in ("select", "before", "edit") if any(step[0] == phase for step in told)]
    assert ("before", 4, 4) in told and told[-1] == ("edit", 4, 4)


def test_prepare_is_called_once_with_the_train_split(tmp_path: Path) -> None:
    editor = editors.Preparing()
    exp = experiment(editor)
    run(exp, tmp_path)
    assert editor.prepared == [exp.suite.cases("train")]
    run(exp, tmp_path)
    assert len(editor.prepared) == 1


def test_prepare_needs_a_train_split(tmp_path: Path) -> None:
    suite = FakeSuite()
    suite.splits = ("test",)  # type: ignore[misc, assignment]
    with pytest.raises(BadData, match="no split 'train'"):
        run(experiment(editors.Preparing(), suite=suite), tmp_path)


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = run(experiment(), tmp_path / "a"), run(experiment(), tmp_path / "b", policy=EACH)
    assert contents(one) == contents(two)
    assert one.folder.name == two.folder.name


def test_a_seed_changes_draws_and_folder(tmp_path: Path) -> None:
    one, two = run(experiment(), tmp_path), run(experiment(seed=1), tmp_path)
    assert one.folder != two.folder
    assert contents(one)[1] != contents(two)[1]


def test_random_draws_of_others_do_not_matter(tmp_path: Path) -> None:
    import random

    one = run(experiment(), tmp_path / "a")
    random.seed(12345)
    assert contents(one) == contents(run(experiment(), tmp_path / "b"))


def test_stored_answers_save_work_and_change_nothing(tmp_path: Path) -> None:
    fresh, stored = FakeBackbone(), FakeBackbone()
    one = run(experiment(backbone=fresh), tmp_path / "a")
    shutil.copytree(tmp_path / "a" / ".before", tmp_path / "b" / ".before")
    two = run(experiment(backbone=stored), tmp_path / "b")
    assert contents(one) == contents(two)
    assert len(stored.calls) < len(fresh.calls)


def test_a_damaged_store_is_asked_again(tmp_path: Path) -> None:
    one = run(experiment(), tmp_path / "a")
    (store,) = (tmp_path / "a" / ".before").iterdir()
    data = store.read_bytes()
    (tmp_path / "b" / ".before").mkdir(parents=True)
    foreign = b'{"key": 1}\nnull\n[]\n\xff\n'
    for damaged in (data[: len(data) // 2], foreign, data.replace(b"answer", b"anwser")):
        (tmp_path / "b" / ".before" / store.name).write_bytes(damaged)
        two = run(experiment(), tmp_path / "b")
        assert contents(one) == contents(two)
        shutil.rmtree(two.folder)


def test_all_before_answers_are_taken_before_the_first_edit(tmp_path: Path) -> None:
    backbone, at_first_edit = FakeBackbone(), []

    def note(_: FakeBackbone, request: EditRequest) -> None:
        at_first_edit.append(len(backbone.calls))

    run(experiment(editors.CopyTarget(note), backbone=backbone), tmp_path)
    asked = {prompt for prompts in backbone.calls[: at_first_edit[0]] for prompt in prompts}
    assert {probe.query.prompt for case in FakeSuite().cases("test") for probe in case.probes} <= asked


def test_an_editor_never_reaches_a_probe(tmp_path: Path) -> None:
    found: list[object] = []

    def look(backbone: FakeBackbone, request: EditRequest) -> None:
        found.extend(reachable(backbone, request))

    suite = FakeSuite()
    run(experiment(editors.CopyTarget(look), suite=suite), tmp_path)
    kinds = {type(item) for item in found}
    assert {EditRequest, ImageRef, FakeBackbone} <= kinds
    assert not {Probe, EditCase, FakeSuite} & kinds
    # The search does find probes where there is a way to them.
    careless = suite.cases("test")[0].request
    assert {Probe, EditCase, FakeSuite} <= {type(item) for item in reachable(careless)}


def test_queries_lead_an_answering_edit_nowhere(tmp_path: Path) -> None:
    backbone, found = FakeBackbone(), []
    backbone.model.hooks.append(lambda query: found.extend(reachable(query)))
    run(experiment(backbone=backbone), tmp_path)
    assert found and not {Probe, EditCase, FakeSuite} & {type(item) for item in found}


def test_a_sequence_carries_its_edits(tmp_path: Path) -> None:
    carried: list[int] = []
    editor = editors.CopyTarget(lambda backbone, request: carried.append(len(backbone.edits)))
    result = run(experiment(editor, protocol=Sequential(), limit=3), tmp_path)
    assert carried == [0, 1, 2]
    records = read_run(result.folder).asks
    names = ("test-0", "test-1", "test-2")
    assert [record.edits for record in records] == [names, names, names, ()]
    assert [record.last for record in records] == [False, False, False, True]
    assert [record.step for record in records] == [3, 4, 5, 7]
    assert records[0].probes[1].answer.startswith("new 0")
    assert records[3].probes[1].answer == records[3].probes[1].before.answer


def test_a_failed_edit_of_a_sequence_counts_for_its_case(tmp_path: Path) -> None:
    exp = experiment(editors.CopyTarget(editors.raises), protocol=Sequential(), limit=3)
    records = read_run(run(exp, tmp_path).folder).asks
    assert [record.status for record in records] == ["ok", "failed", "ok", "ok"]
    assert {record.edits for record in records[:3]} == {("test-0", "test-2")}


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (lambda cases: [Unit("u", (Ask(cases[0]),))] * 2, "same id"),
        (lambda cases: [Unit("u", (Restore(),))], "asks nothing"),
    ],
)
def test_a_schedule_must_be_recordable(tmp_path: Path, units: Any, message: str) -> None:
    class Odd:
        name = "odd"
        version = "1"

        def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
            yield from units(cases)

    with pytest.raises(BenchError, match=message):
        run(experiment(protocol=Odd()), tmp_path)


def test_the_harness_needs_no_torch() -> None:
    code = (
        "import sys, mmedit_bench.harness.run; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
