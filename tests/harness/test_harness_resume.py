"""Runs that were killed, interrupted or finished, and are started again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.cases import EditRequest
from mmedit_bench.errors import BadRecord, BenchError, Unusable
from mmedit_bench.harness.baseline import SPOT_CHECKS
from mmedit_bench.harness.commit import Committer
from mmedit_bench.harness.editor_side import InProcess
from mmedit_bench.harness.plan import Plan
from mmedit_bench.harness.run import run
from mmedit_bench.harness.work import work
from mmedit_bench.protocols.steps import SEGMENT
from mmedit_bench.runs.folder import RunFolder, read_run
from tests.fakes import editors
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.experiment import EACH, SELDOM, contents, experiment
from tests.fakes.protocol import Sequential
from tests.fakes.suite import FakeSuite


def test_a_second_run_does_nothing_and_says_so(tmp_path: Path) -> None:
    first = run(experiment(), tmp_path)
    before = contents(first), [(p, p.stat().st_mtime_ns) for p in sorted(first.folder.glob("*.json*"))]
    exp = experiment()
    again = run(exp, tmp_path)
    assert (again.status, again.units, again.new) == ("already complete", 4, 0)
    after = contents(again), [(p, p.stat().st_mtime_ns) for p in sorted(again.folder.glob("*.json*"))]
    assert before == after
    assert not exp.editor.seen  # type: ignore[attr-defined]
    assert len(exp.backbone.calls) <= SPOT_CHECKS  # type: ignore[attr-defined]


def test_resumes_from_wherever_a_file_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of runs
    exp = experiment(limit=2)
    done = run(exp, tmp_path)
    manifest, predictions = contents(done)
    ends = {0} | {at + 1 for at, byte in enumerate(predictions) if byte == ord("\n")}
    # where lines begin and end every byte; inside a line, where one byte is like the next, some
    near = {end + off for end in ends for off in range(-3, 4)}
    for size in sorted({*near, *range(0, len(predictions), 17)} & {*range(len(predictions) + 1)}):
        (done.folder / "predictions.jsonl").write_bytes(predictions[:size])
        result = run(exp, tmp_path)
        assert contents(result) == (manifest, predictions)
        missing = 2 - predictions[:size].count(b"\n") // 3
        assert (result.new, result.status) == (missing, "complete" if missing else "already complete")


def test_resumes_without_a_manifest(tmp_path: Path) -> None:
    done = run(experiment(), tmp_path)
    expected = contents(done)
    (done.folder / "manifest.json").unlink()
    (done.folder / ".manifest.json.abcd.new").write_bytes(expected[0][:50])
    assert contents(run(experiment(), tmp_path)) == expected


def test_resumes_with_torn_timings(tmp_path: Path) -> None:
    done = run(experiment(), tmp_path)
    lines = contents(done)[1].splitlines(keepends=True)
    (done.folder / "predictions.jsonl").write_bytes(b"".join(lines[:6]))
    timings = done.folder / "timings.jsonl"
    timings.write_bytes(timings.read_bytes()[:-5])
    run(experiment(), tmp_path)
    *_, last = timings.read_text().splitlines()
    assert json.loads(last)["unit"] == "test-4"


def test_interrupt_passes_through_and_keeps_what_is_finished(tmp_path: Path) -> None:
    def interrupt(_: FakeBackbone, request: EditRequest) -> None:
        if editors.about(request, 2):
            raise KeyboardInterrupt

    clean = contents(run(experiment(), tmp_path / "a"))
    editor = editors.CopyTarget(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(experiment(editor), tmp_path / "b", policy=SELDOM)
    (folder,) = (tmp_path / "b").glob("fakes--*")
    assert [record.case for record in read_run(folder).asks] == ["test-0", "test-1"]
    assert not read_run(folder).complete
    assert contents(run(experiment(), tmp_path / "b")) == clean


@pytest.mark.parametrize("most", [1, 3, 20, 40])
def test_a_full_disk_is_named_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    clean = contents(run(experiment(), tmp_path / "a"))
    real, calls = os.write, []

    def full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > most:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:100])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unusable, match=r"\.jsonl: No space left on device; make room there"):
        run(experiment(), tmp_path / "b", policy=EACH)
    monkeypatch.undo()
    assert contents(run(experiment(), tmp_path / "b")) == clean


def test_sigkill(tmp_path: Path) -> None:
    clean = contents(run(experiment(), tmp_path / "a"))
    script = (
        "import sys, time; from pathlib import Path; from mmedit_bench.harness.run import run\n"
        "from tests.fakes import editors; from tests.fakes.experiment import EACH, experiment\n"
        "exp = experiment(editors.CopyTarget(lambda b, r: time.sleep(0.2)))\n"
        "run(exp, Path(sys.argv[1]), policy=EACH)\n"
    )
    root = Path(__file__).parents[2]
    out = tmp_path / "b"
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", script, str(out)], env=environment, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in out.glob("*/predictions.jsonl")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    (folder,) = out.glob("fakes--*")
    assert 0 < len(read_run(folder).finished_units) < 4
    result = run(experiment(), out)
    assert 0 < result.new < 4
    assert contents(result) == clean


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    folder = run(experiment(), tmp_path).folder
    with RunFolder(folder).writing(), pytest.raises(BenchError, match=f"written by process {os.getpid()}"):
        run(experiment(), tmp_path)
    assert run(experiment(), tmp_path).status == "already complete"


@pytest.mark.parametrize(
    ("arranged", "message"),
    [
        (lambda units: units[1:], "missing, doubled or out of order"),
        (lambda units: units[::-1], "missing, doubled or out of order"),
        (lambda units: [units[0], units[0]], "was already complete"),
        (lambda units: [units[0].replace(b"test-0", b"test-9")], "missing, doubled or out of order"),
    ],
)
def test_records_of_another_schedule_are_refused(tmp_path: Path, arranged: Any, message: str) -> None:
    done = run(experiment(), tmp_path)
    lines = contents(done)[1].splitlines(keepends=True)
    units = [b"".join(lines[at : at + 3]) for at in range(0, len(lines), 3)]
    (done.folder / "predictions.jsonl").write_bytes(b"".join(arranged(units)))
    with pytest.raises(BadRecord, match=message):
        run(experiment(), tmp_path)


LONG = 5 * SEGMENT
"""Edits in a sequence of several segments."""


class Numbered(editors.CopyTarget):
    """Makes edits that can be saved, or not, and counts how many it made."""

    def __init__(self, savable: bool, stop: int | None = None) -> None:
        super().__init__()
        self._savable, self._stop = savable, stop

    def edit(self, backbone: Any, request: EditRequest) -> Any:
        self.seen.append(request.target)
        if len(self.seen) == self._stop:
            raise KeyboardInterrupt
        if not self._savable:
            return FakeEdit(request.query.prompt, f"{request.target} {random.randrange(100):02}")
        return SavedEdit(request.query.prompt, f"{request.target} {random.randrange(100):02}")


class SavedEdit(FakeEdit):
    """A fake that is a file."""

    def save(self, path: Path) -> None:
        path.write_text(json.dumps([self.prompt, self.text]), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> SavedEdit:
        return cls(*json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("savable", [True, False])
def test_a_long_unit_goes_on_at_its_last_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, savable: bool
) -> None:
    monkeypatch.setattr("mmedit_bench.interventions.Edit.load", SavedEdit.load)

    def long(editor: Any) -> Any:
        return experiment(editor, suite=FakeSuite(LONG), protocol=Sequential())

    clean = contents(run(long(Numbered(savable)), tmp_path / "a", policy=EACH))
    rng = random.Random(5)
    for trial in range(6):
        out = tmp_path / f"b{trial}"
        stop = rng.randrange(SEGMENT + 2, LONG)
        with pytest.raises(KeyboardInterrupt):
            run(long(Numbered(savable, stop)), out, policy=EACH)
        again = Numbered(savable)
        result = run(long(again), out, policy=EACH)
        assert contents(result) == clean
        assert not (result.folder / "work").exists()
        made = LONG - 1 - (stop - 1) // SEGMENT * SEGMENT  # the fake knows one of the answers
        assert len(again.seen) == (made if savable else LONG - 1)


def test_segments_in_any_order_end_in_the_same_bytes(tmp_path: Path) -> None:
    """Whatever is laid down early waits for its turn, also over the end of a process."""
    clean = contents(run(experiment(), tmp_path / "a"))

    class Backwards:
        def work(self, plan: Plan, folder: RunFolder, tasks: Any, committer: Committer) -> None:
            base = FakeBackbone({"what is test-3?": "The NEW three."})
            for task in reversed(tasks):
                side = InProcess(editors.CopyTarget(), base, FakeSuite())
                work(plan, base, side, committer.bench, [task], policy=EACH)
                if task.index == 2 and not (folder.path / "stopped").exists():
                    (folder.path / "stopped").touch()
                    raise KeyboardInterrupt
                committer.advance()

    with pytest.raises(KeyboardInterrupt):
        run(experiment(), tmp_path / "b", crew=Backwards())  # type: ignore[arg-type]
    (folder,) = (tmp_path / "b").glob("fakes--*")
    assert not read_run(folder).records and len(list((folder / "work").glob("*.segment"))) == 2
    result = run(experiment(), tmp_path / "b", crew=Backwards())  # type: ignore[arg-type]
    assert contents(result) == clean


def test_a_unit_of_several_lines_resumes(tmp_path: Path) -> None:
    exp = experiment(protocol=Sequential(), limit=2)
    done = run(exp, tmp_path)
    expected = contents(done)
    for size in range(0, len(expected[1]) + 1, 31):
        (done.folder / "predictions.jsonl").write_bytes(expected[1][:size])
        assert contents(run(exp, tmp_path)) == expected
