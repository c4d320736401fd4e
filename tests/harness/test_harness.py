"""The harness with a backbone without torch: what is recorded, repeated and never shown."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe
from mmedit_bench.errors import BadData, BenchError
from mmedit_bench.harness.run import run
from mmedit_bench.plugins.registry import MEASURES
from mmedit_bench.protocols.steps import Apply, Ask, Measure, Restore, Undo, Unit
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.records import Applied
from tests.fakes import editors
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.experiment import EACH, baseline_of, contents, experiment, reachable
from tests.fakes.protocol import Sequential
from tests.fakes.suite import FakeSuite


def test_records_what_the_edited_model_says_and_nothing_else(tmp_path: Path) -> None:
    result = run(experiment(), tmp_path)
    assert (result.status, result.units, result.new, result.failed) == ("complete", 4, 4, 0)
    state = read_run(result.folder)
    assert state.complete
    first = state.asks[0]
    assert (first.unit, first.step, first.case, first.edits) == ("test-0", 1, "test-0", ("test-0",))
    assert (first.status, first.error, first.moment) == ("ok", None, "end")
    unrelated, edited, _ = first.probes
    assert edited.reading.answer.startswith("new 0 ")
    assert edited.reading.argmax is not None and edited.reading.argmax[:5] == tuple(b"new 0")
    assert edited.reading.logprobs == (0.0,) * 6
    assert [probe.id for probe in first.probes] == ["test-0/p00", "test-0/p01", "test-0/p02"]
    before = baseline_of(tmp_path, result)
    assert not before.probes["test-0"][1].reading.answer.startswith("new")
    assert before.probes["test-0"][1].target == (*b"new 0", 2)
    assert before.probes["test-0"][0].reading != unrelated.reading  # the fake counts its edits
    assert "secret" not in contents(result)[1].decode(), "references stay where they are"


def test_every_step_is_a_line(tmp_path: Path) -> None:
    records = read_run(run(experiment(limit=1), tmp_path).folder).records
    assert [(type(r).__name__, r.step, r.closes) for r in records] == [
        ("Applied", 0, None),
        ("Asked", 1, None),
        ("Restored", 2, "unit"),
    ]


def test_lines_are_canonical_json(tmp_path: Path) -> None:
    lines = contents(run(experiment(), tmp_path))[1].decode().splitlines()
    for line in lines:
        spelt = json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert line == spelt
    assert "é" in lines[1]


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
    edits = [row for row in rows if "seconds" in row]
    assert [row["case"] for row in edits] == ["test-0", "test-1", "test-2", "test-4"]
    assert all(row["seconds"] >= 0 and row["edit_bytes"] == 8 for row in edits)
    assert sum(row.get("peak_bytes", 0) > 0 for row in rows) == 4  # one at the end of each segment
    paced = [row for row in rows if "answers" in row]
    assert [row["case"] for row in paced] == ["test-0", "test-1", "test-2"]
    assert all(row["edited_seconds"] >= 0 and row["unedited_seconds"] >= 0 for row in paced)
    assert all(row["answers"] == 3 for row in paced)


def test_progress_names_phases_and_ends_full(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run(experiment(), tmp_path, progress=lambda *step: told.append(step))
    assert [phase for phase in ("select", "baseline", "edit") if any(step[0] == phase for step in told)]
    assert ("baseline", 4, 4) in told and told[-1] == ("edit", 4, 4)


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


def test_the_whole_baseline_is_asked_before_the_first_edit(tmp_path: Path) -> None:
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
    assert [record.closes for record in records] == [None, None, None, "unit"]
    assert [record.step for record in records] == [3, 4, 5, 7]
    assert [record.moment for record in records] == ["end", "end", "end", "restored"]
    assert records[0].probes[1].reading.answer.startswith("new 0")
    before = baseline_of(tmp_path, result).probes["test-0"]
    assert [probe.reading for probe in records[3].probes] == [probe.reading for probe in before]


def test_a_failed_edit_of_a_sequence_counts_for_its_case(tmp_path: Path) -> None:
    exp = experiment(editors.CopyTarget(editors.raises), protocol=Sequential(), limit=3)
    state = read_run(run(exp, tmp_path).folder)
    made, records = [r for r in state.records if isinstance(r, Applied)], state.asks
    assert [record.status for record in made] == ["ok", "failed", "ok"]
    assert state.failed == 1
    assert {record.edits for record in records[:3]} == {("test-0", "test-2")}


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (lambda cases: [Unit("u", (Ask(cases[0]),))] * 2, "same id"),
        (lambda cases: [Unit("u", (Restore(),))], "asks nothing"),
        (lambda cases: [Unit("u", (Ask(cases[0]), Ask(cases[0])))], "twice at one moment"),
        (lambda cases: [Unit("u", (Undo("test-0"), Ask(cases[0])))], "not in force"),
        (lambda cases: [Unit("u", ("Ask", Ask(cases[0])))], "a step that is none: 'Ask'"),
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


def test_requests_reach_an_editor_under_ids_of_the_run(tmp_path: Path) -> None:
    seen: list[str] = []
    editor = editors.CopyTarget(lambda backbone, request: seen.append(request.id))
    run(experiment(editor), tmp_path)
    run(experiment(editor, seed=1), tmp_path)
    assert len(set(seen)) == 8, "another run, other ids"
    assert not any(case.id in id for case in FakeSuite().cases("test") for id in seen)


def test_an_edit_that_cannot_say_its_size_failed(tmp_path: Path) -> None:
    class Sizeless(FakeEdit):
        def __getattribute__(self, name: str) -> Any:
            if name == "nbytes":
                raise RuntimeError("no size")
            return super().__getattribute__(name)

    def sizeless(backbone: FakeBackbone, request: EditRequest) -> Any:
        return Sizeless(request.query.prompt, "x") if editors.about(request, 1) else None

    result = run(experiment(editors.CopyTarget(sizeless)), tmp_path)
    assert (result.status, result.failed) == ("complete", 1)


def test_undo_takes_one_edit_out(tmp_path: Path) -> None:
    class Undoing:
        name, version = "undoing", "1"

        def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
            first, second, third = cases[:3]
            applies = [Apply(case.request) for case in (first, second, third)]
            yield Unit("with", (*applies, Undo(second.id), Ask(first), Ask(second), Ask(third)))
            yield Unit("without", (applies[0], applies[2], Ask(first), Ask(second), Ask(third)))

    class Steady(editors.CopyTarget):
        def edit(self, backbone: FakeBackbone, request: EditRequest) -> Any:
            return FakeEdit(request.query.prompt, request.target)

    asks = read_run(run(experiment(Steady(), protocol=Undoing(), limit=3), tmp_path).folder).asks
    assert [ask.edits for ask in asks[:3]] == [("test-0", "test-2")] * 3
    assert [ask.probes for ask in asks[:3]] == [ask.probes for ask in asks[3:]]


def test_an_edit_made_again_takes_the_older_ones_place(tmp_path: Path) -> None:
    class Twice:
        name, version = "twice", "1"

        def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
            again = EditRequest(cases[0].id, cases[0].request.query, "newer")
            yield Unit("u", (Apply(cases[0].request), Apply(cases[1].request), Apply(again), Ask(cases[0])))

    (ask,) = read_run(run(experiment(protocol=Twice(), limit=2), tmp_path).folder).asks
    assert ask.edits == ("test-1", "test-0")
    assert ask.probes[1].reading.answer.startswith("newer")


def test_a_measure_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Measuring:
        name, version, options = "measuring", "1", {"measures": {"edits": {"times": 2}}}

        def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
            yield Unit("u", (Apply(cases[0].request), Measure("edits", {"times": 2})))

    measure = lambda backbone, times: {"count": times * len(backbone.edits)}  # noqa: E731
    monkeypatch.setattr(MEASURES, "load", {"edits": measure}.__getitem__)
    (measured,) = read_run(run(experiment(protocol=Measuring(), limit=1), tmp_path).folder).measures
    assert (measured.measure, measured.values) == ("edits", {"count": 2.0})
