"""Runs that were killed, interrupted or finished, and are started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmedit_bench.cases import EditRequest
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.harness.run import run
from mmedit_bench.runs.folder import RunFolder, read_run
from tests.fakes import editors
from tests.fakes.backbone import FakeBackbone
from tests.fakes.experiment import EACH, SELDOM, contents, experiment
from tests.fakes.protocol import Sequential


def test_a_second_run_does_nothing_and_says_so(tmp_path: Path) -> None:
    first = run(experiment(), tmp_path)
    before = contents(first), [(p, p.stat().st_mtime_ns) for p in sorted(first.folder.glob("*.json*"))]
    exp = experiment()
    again = run(exp, tmp_path)
    assert (again.status, again.units, again.new) == ("already complete", 4, 0)
    after = contents(again), [(p, p.stat().st_mtime_ns) for p in sorted(again.folder.glob("*.json*"))]
    assert before == after
    assert not exp.backbone.calls and not exp.editor.seen  # type: ignore[attr-defined]


def test_resumes_from_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of runs
    exp = experiment(limit=2)
    done = run(exp, tmp_path)
    manifest, predictions = contents(done)
    for size in range(len(predictions) + 1):
        (done.folder / "predictions.jsonl").write_bytes(predictions[:size])
        result = run(exp, tmp_path)
        assert contents(result) == (manifest, predictions)
        missing = 2 - predictions[:size].count(b"\n")
        assert (result.new, result.status) == (missing, "complete" if missing else "already complete")


def test_resumes_without_a_manifest(tmp_path: Path) -> None:
    done = run(experiment(), tmp_path)
    expected = contents(done)
    (done.folder / "manifest.json").unlink()
    (done.folder / ".manifest.json.new").write_bytes(expected[0][:50])
    assert contents(run(experiment(), tmp_path)) == expected


def test_resumes_with_torn_timings(tmp_path: Path) -> None:
    done = run(experiment(), tmp_path)
    lines = contents(done)[1].splitlines(keepends=True)
    (done.folder / "predictions.jsonl").write_bytes(b"".join(lines[:2]))
    timings = done.folder / "timings.jsonl"
    timings.write_bytes(timings.read_bytes()[:-5])
    run(experiment(), tmp_path)
    *_, last = timings.read_text().splitlines()
    assert json.loads(last)["case"] == "test-4"


def test_interrupt_passes_through_and_keeps_what_is_finished(tmp_path: Path) -> None:
    def interrupt(_: FakeBackbone, request: EditRequest) -> None:
        if request.id == "test-2":
            raise KeyboardInterrupt

    clean = contents(run(experiment(), tmp_path / "a"))
    editor = editors.CopyTarget(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(experiment(editor), tmp_path / "b", policy=SELDOM)
    (folder,) = (path for path in (tmp_path / "b").iterdir() if path.name != ".before")
    assert [record.case for record in read_run(folder).asks] == ["test-0", "test-1"]
    assert not read_run(folder).complete
    assert contents(run(experiment(), tmp_path / "b")) == clean


def test_a_full_disk_leaves_a_tail_that_the_next_run_mends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = contents(run(experiment(), tmp_path / "a"))
    real, calls = os.write, []

    def full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:100])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
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
    (folder,) = (path for path in out.iterdir() if path.name != ".before")
    assert 0 < len(read_run(folder).units) < 4
    result = run(experiment(), out)
    assert 0 < result.new < 4
    assert contents(result) == clean


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    folder = run(experiment(), tmp_path).folder
    with RunFolder(folder).writing(), pytest.raises(BenchError, match=f"written by process {os.getpid()}"):
        run(experiment(), tmp_path)
    assert run(experiment(), tmp_path).status == "already complete"


def test_a_file_of_another_schedule_is_refused(tmp_path: Path) -> None:
    done = run(experiment(), tmp_path)
    lines = contents(done)[1].splitlines(keepends=True)
    (done.folder / "predictions.jsonl").write_bytes(b"".join(reversed(lines)))
    with pytest.raises(BadRecord, match="not what the schedule asks"):
        run(experiment(), tmp_path)


def test_a_unit_of_several_lines_resumes(tmp_path: Path) -> None:
    exp = experiment(protocol=Sequential(), limit=2)
    done = run(exp, tmp_path)
    expected = contents(done)
    for size in range(0, len(expected[1]) + 1, 31):
        (done.folder / "predictions.jsonl").write_bytes(expected[1][:size])
        assert contents(run(exp, tmp_path)) == expected
