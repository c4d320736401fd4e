"""What prints: nobody reads it, it cannot be written, the locale lacks the characters, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults import parts
from tests.faults.conftest import Call
from tests.faults.test_matrix import RUN, contents, refused

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-c", "from mmedit_bench.cli import main; main()"]


def started(*words: str, **more: object) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(str(path) for path in (Path("../installed").resolve(), ROOT))
    env = {**os.environ, "PYTHONPATH": paths, **more.pop("env", {})}  # type: ignore[dict-item]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    # what is started in the background may ignore Ctrl-C, and its children after it
    streams["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen([*PROGRAM, *words], env=env, **streams)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    "words", [("list", "backbones"), ("list", "backbones", "--json"), ("score", "--help")], ids=str
)
def test_a_closed_pipe_is_no_error(call: Call, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = started(*words, stdout=writer)
    os.close(writer)
    assert process.communicate()[1] == b""
    assert process.returncode == 141


def test_a_full_disk_behind_stdout(call: Call) -> None:
    with Path("/dev/full").open("wb") as full:
        process = started("list", "backbones", stdout=full)
        said = process.communicate()[1].decode()
    assert process.returncode == 2
    assert said.startswith("Error: standard output: No space left on device; ") and said.count("\n") == 1


def test_nobody_hears_of_the_progress_and_the_run_goes_on(call: Call) -> None:
    with Path("/dev/full").open("wb") as full:
        process = started(*RUN[:-1], stderr=full)
        assert b"complete: 5 of 5" in process.communicate()[0]
    assert process.returncode == 0


def test_what_stderr_still_holds_at_the_end_is_no_error() -> None:
    code = (
        "import sys; from mmedit_bench.cli import app, main; "
        "app.main = lambda **_: sys.stderr.buffer.write(b'held back'); main()"
    )
    with Path("/dev/full").open("wb") as full:
        # where Python does not buffer, nothing is held back
        env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, stderr=full, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_locale_without_the_characters(call: Call, encoding: str) -> None:
    call(*RUN)
    for form in (("--format", "terminal"), ("--json",)):
        process = started("report", "runs", *form, env={"PYTHONIOENCODING": encoding})
        out, err = process.communicate()
        assert process.returncode == 0, err.decode()
        out.decode("utf-8" if encoding == "ascii" else encoding)  # click takes ASCII for UTF-8


@pytest.mark.parametrize("at", [0, 3])
def test_an_interruption_keeps_what_was_finished(
    call: Call, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    call(*RUN, "--out", "whole")
    monkeypatch.setitem(parts.PUBLIC, "interrupt", at)
    done = call(*RUN)
    refused(done, "interrupted", status=130)
    kept = [path.read_bytes().count(b'"closes":"unit"') for path in Path("runs").glob("*/predictions.jsonl")]
    assert kept == [at]
    monkeypatch.setitem(parts.PUBLIC, "interrupt", None)
    assert call(*RUN).exit_code == 0
    assert {path.removeprefix("runs"): data for path, data in contents("runs").items()} == {
        path.removeprefix("whole"): data for path, data in contents("whole").items()
    }


def test_a_signal_from_outside(call: Call) -> None:
    process = started(*RUN[:-1], env={"MMEDIT_BENCH_TEST_SLEEP": "30"})
    while not list(Path("runs").glob("*/manifest.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1].decode().splitlines()
    assert process.returncode == 130
    assert said[-1].startswith("Error: interrupted; ") and not [line for line in said if "Traceback" in line]


def test_a_second_process_on_the_same_run_is_told_who_holds_it(call: Call) -> None:
    process = started(*RUN, env={"MMEDIT_BENCH_TEST_SLEEP": "30"})
    while not list(Path("runs").glob("*/manifest.json")):
        assert process.poll() is None
        time.sleep(0.05)
    refused(call(*RUN), f"is being written by process {process.pid}", "wait for it or end it")
    process.kill()
    process.communicate()
    assert call(*RUN).exit_code == 0  # the lock went with the process
