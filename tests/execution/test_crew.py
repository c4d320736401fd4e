"""A run over several processes ends in the bytes of a run in one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.crew import WorkerCrew
from mmedit_bench.execution.engines.local import LocalEngine
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.run import run
from mmedit_bench.runs.folder import read_run


def order(editor: str) -> Order:
    return Order(suite="lab-suite", backbone="lab-backbone", editor=editor)


def contents(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "manifest.json").read_bytes(), (folder / "predictions.jsonl").read_bytes()


def test_any_number_of_processes_ends_in_the_same_bytes(lab: Path) -> None:
    alone = Workshop().run(order("fragile"), lab / "alone")
    together = Workshop().run(order("fragile"), lab / "together", engine=LocalEngine(2))
    assert contents(together.folder) == contents(alone.folder)
    assert (together.units, together.new, together.failed) == (6, 6, 3)
    assert not (together.folder / "work").exists()


def test_a_killed_worker_costs_nothing_but_time(lab: Path) -> None:
    alone = Workshop().run(order("pupil"), lab / "alone")
    killed: list[int] = []

    def kill_the_first(pid: int) -> None:
        if not killed:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    workshop, what = Workshop(), order("pupil")
    found = workshop.measured(what, lab / "together")
    crew = WorkerCrew(LocalEngine(1, started=kill_the_first), what, policy=ProofPolicy(every=1))
    result = run(workshop.experiment(what), lab / "together", found=found, crew=crew)
    assert killed
    assert contents(result.folder) == contents(alone.folder)


def test_a_unit_that_ends_its_workers_is_given_up_and_the_others_are_kept(lab: Path) -> None:
    with pytest.raises(BenchError, match=r"unit .*: 3 workers ended"):
        Workshop().run(order("deadly"), lab / "runs", engine=LocalEngine(2))
    (folder,) = (lab / "runs").glob("lab-suite--*")
    # the third unit is the deadly one: what comes before it is recorded
    assert len(read_run(folder).finished_units) >= 1


def test_a_defect_of_an_editor_shows_where_it_is(lab: Path) -> None:
    # a worker meets it: where others make the edits, the caller does not ready the editor for them
    with pytest.raises(RuntimeError, match=r"(?s)in a worker:.*ZeroDivisionError: a defect"):
        Workshop().run(order("defective"), lab / "runs", engine=LocalEngine(2))
