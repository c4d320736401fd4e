"""Edits that fail: recorded, counted against the editor, and the run goes on, or ends at the first."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from mmedit_bench.editors import Edit, WeightDelta
from mmedit_bench.errors import BadData, BenchError, FailedFast
from mmedit_bench.harness.deadline import Late, deadline
from mmedit_bench.harness.editor_side import InProcess
from mmedit_bench.harness.run import run
from mmedit_bench.runs.evidence import rounded
from mmedit_bench.runs.folder import RunState, read_run
from mmedit_bench.runs.records import Applied, Asked
from tests.cli import lab
from tests.cli.conftest import call as lab_call  # noqa: F401 (a fixture)
from tests.fakes import editors
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.experiment import contents, experiment
from tests.fakes.protocol import Sequential
from tests.fakes.suite import FakeSuite
from tests.fakes.tiny_suite import TinySuite
from tests.tiny import tiny_backbone


def errors(state: RunState) -> list[str]:
    return [r.error for r in state.records if isinstance(r, Applied | Asked) and r.error]


class Breaking:
    """Adds what is no number to a weight, for the second case."""

    name = "breaking"
    version = "1"

    def __init__(self, value: float) -> None:
        self.value = value

    def edit(self, backbone: Any, request: Any) -> Edit:
        module = _some_linear(backbone)
        value = self.value if request.target.endswith(" 1") else 0.0
        return Edit((WeightDelta(module, torch.full_like(backbone.weight(module), value)),))


def _some_linear(backbone: Any) -> str:
    names = (name for name, part in backbone.model.named_modules() if isinstance(part, torch.nn.Linear))
    return next(name for name in names if "language_model" in name and "fc1" in name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_model_that_computes_no_numbers_is_a_failed_edit(tmp_path: Path, value: float) -> None:
    backbone = tiny_backbone("opt")
    done = run(experiment(Breaking(value), suite=TinySuite(), split="test", backbone=backbone), tmp_path)
    state = read_run(done.folder)
    text = (done.folder / "predictions.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text
    if value == 1e30:  # what is large but finite is the editor's own affair
        assert done.failed == len(errors(state))
        return
    (error,) = errors(state)
    assert error.endswith("the model computes numbers that are not finite")
    assert (done.status, done.failed) == ("complete", 1)
    assert [ask.edits for ask in state.asks if ask.error] == [()]  # answered by the unedited model


@pytest.mark.parametrize("values", [[0.0, float("nan")], [float("inf")], [float("nan")]])
def test_what_is_no_number_is_never_recorded(values: list[float]) -> None:
    with pytest.raises(BadData, match="not finite"):
        rounded(values)
    assert rounded([float("-inf"), -0.0]) == (-1e6, 0.0)


class Greedy(RuntimeError):
    """As torch's, by its name."""


Greedy.__name__ = "OutOfMemoryError"


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (MemoryError("3 GiB at 0x7fff12345678"), "edit: MemoryError: out of memory"),
        (Greedy("Tried to allocate 2.41 GiB"), "edit: OutOfMemoryError: out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
         "edit: RuntimeError: out of memory"),
        (OSError(28, "No space left on device"), "edit: OSError: [Errno 28] No space left on device"),
    ],
)  # fmt: skip
def test_memory_that_runs_out_reads_the_same_every_time(
    tmp_path: Path, problem: Exception, said: str
) -> None:
    def fault(backbone: Any, request: Any) -> None:
        if editors.about(request, 1):
            raise problem

    done = run(experiment(editors.CopyTarget(fault)), tmp_path)
    assert (done.status, done.failed, errors(read_run(done.folder))) == ("complete", 1, [said])


def test_a_run_told_to_ends_at_its_first_failed_edit_and_goes_on_later(tmp_path: Path) -> None:
    whole = contents(run(experiment(editors.CopyTarget(editors.raises)), tmp_path / "a"))
    exp = experiment(editors.CopyTarget(editors.raises))
    with pytest.raises(FailedFast, match=r"the edit of test-1 failed .*cannot edit new 1.*goes on"):
        run(exp, tmp_path / "b", fail_fast=True)
    (folder,) = (tmp_path / "b").glob("fakes--*")
    assert read_run(folder).finished_units == ("test-0", "test-1")
    with pytest.raises(FailedFast):  # the failure stands, and is not tried away
        run(exp, tmp_path / "b", fail_fast=True)
    assert read_run(folder).finished_units == ("test-0", "test-1")
    assert contents(run(exp, tmp_path / "b")) == whole
    assert run(exp, tmp_path / "b", fail_fast=True).status == "already complete"


def test_an_edit_that_does_not_act_ends_it_too(tmp_path: Path) -> None:
    with pytest.raises(FailedFast, match="does not fit the model"):
        run(experiment(editors.CopyTarget(editors.returns_unusable)), tmp_path, fail_fast=True)


LAB = ("run", "--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", "fragile")


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "two"])
def test_fail_fast_from_the_outside(lab_call: Any, more: tuple[str, ...]) -> None:  # noqa: F811
    done = lab_call(*LAB, "--fail-fast", *more)
    assert done.exit_code == 3
    assert "Error: runs/lab-suite" in done.stderr and "odd cases are beyond me" in done.stderr
    (folder,) = Path("runs").glob("lab-*")
    # two workers may both have met one before either was told to stop
    assert not read_run(folder).complete and 1 <= read_run(folder).failed <= (2 if more else 1)
    again = lab_call(*LAB, "--json")
    assert (again.exit_code, json.loads(again.stdout)["failed"]) == (3, 3)


def test_a_late_edit_is_recorded_and_the_run_goes_on(tmp_path: Path) -> None:
    def slow(backbone: Any, request: Any) -> None:
        if editors.about(request, 1):
            time.sleep(60)

    exp = experiment(editors.CopyTarget(slow))
    side = InProcess(exp.editor, exp.backbone, FakeSuite(), deadline=0.2)
    done = run(exp, tmp_path, side=side)
    assert errors(read_run(done.folder)) == ["edit: took longer than 0.2 seconds"]
    assert (done.status, done.failed) == ("complete", 1)


def test_a_late_edit_from_the_outside(lab_call: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def slow(self: Any, backbone: Any, request: Any) -> Any:
        if request.target.endswith(" 2"):
            time.sleep(60)
        return real(self, backbone, request)

    real = lab.Echo.edit
    monkeypatch.setattr(lab.Echo, "edit", slow)
    done = lab_call(*LAB[:-1], "echo", "--edit-timeout", "0.5", "--json")
    assert (done.exit_code, json.loads(done.stdout)["failed"]) == (3, 1), done.output


def test_code_that_catches_everything_is_late_all_the_same() -> None:
    def stubborn() -> Iterator[None]:
        with suppress(BaseException):
            time.sleep(60)
        with suppress(Exception):
            time.sleep(60)
        yield

    begun = time.monotonic()
    with pytest.raises(Late, match=r"longer than 0\.1 seconds"), deadline(0.1):
        next(stubborn())
    assert time.monotonic() - begun < 10


def test_a_block_in_time_is_left_alone_and_its_errors_are_its_own() -> None:
    with deadline(30):
        pass
    with pytest.raises(ValueError, match="mine"), deadline(30):
        raise ValueError("mine")
    with pytest.raises(KeyboardInterrupt), deadline(30):
        raise KeyboardInterrupt
    with deadline(None):
        pass


def test_only_the_main_thread_hears_an_alarm() -> None:
    found: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with deadline(1):
                pass
        except BenchError as error:
            found.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "--isolate" in str(found[0])


def test_an_edit_that_breaks_a_long_sequence_is_found_by_halving(tmp_path: Path) -> None:
    def fault(backbone: Any, request: Any) -> Any:
        return FakeEdit(request.query.prompt, "BREAK") if editors.about(request, 2) else None

    suite, asked = FakeSuite(32), FakeBackbone()
    exp = experiment(editors.CopyTarget(fault), suite=suite, backbone=asked, protocol=Sequential())
    state = read_run(run(exp, tmp_path).folder)
    (first, *_) = state.asks
    assert first.edits == ("test-0", "test-1")
    assert first.error == "asking with edit test-2: ValueError: this edit does not fit the model"
    assert state.asks[-1].moment == "restored" and state.asks[-1].error is None
    tries = sum(call[0].startswith("unrelated to 0") for call in asked.calls)
    assert tries < 20  # those of baseline and proofs included; one by one there would be 30 more
