"""What is left of a task that is handed out a second time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmedit_bench.harness import work
from mmedit_bench.harness.work import Task, as_they_stand
from mmedit_bench.runs.folder import RunFolder
from mmedit_bench.runs.records import Applied


def failed(step: int) -> Applied:
    return Applied(unit="u", step=step, closes="segment", request="r", status="failed", error="no")


@pytest.mark.parametrize(
    ("recorded", "laid", "left"),
    [
        ([], {}, [Task(0, 0, frozenset())]),
        ([1], {}, [Task(0, 1, frozenset({1}))]),
        ([1], {1: 5}, [Task(0, 2, frozenset({1, 5}))]),
        # laid down out of turn: what comes before it must be walked, and it again
        ([], {1: 5}, [Task(0, 0, frozenset())]),
        # recorded by now and not yet removed
        ([1], {0: 1, 1: 5}, [Task(0, 2, frozenset({1, 5}))]),
        ([1, 5, 9], {}, []),
    ],
)
def test_a_task_goes_on_after_what_is_recorded_or_laid_down(
    monkeypatch: pytest.MonkeyPatch, recorded: list[int], laid: dict[int, int], left: list[Task]
) -> None:
    segments = tuple((failed(step),) for step in recorded)
    monkeypatch.setattr(work, "read_run", lambda path: SimpleNamespace(segments=segments))
    plan: Any = SimpleNamespace(
        schedule=[SimpleNamespace(segments=[range(4), range(4, 8), range(8, 12)])],
        segments=[(0, 0), (0, 1), (0, 2)],
    )
    bench: Any = SimpleNamespace(
        take=lambda index, number: ((failed(laid[number]),), []) if number in laid else None
    )
    folder = RunFolder(Path("run"))
    assert as_they_stand([Task(0, 0, frozenset())], plan, folder, bench) == left
