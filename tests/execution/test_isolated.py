"""An editor in a process of its own leaves the same records as one beside the harness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from tests.execution.test_crew import contents, order
from tests.methods.test_contract import QUICK

OPTIONS = QUICK | {"ft": {"steps": 2}, "t-patcher": {"steps": 2, "memory": 3}}


@pytest.mark.parametrize("editor", ["null", "pupil", "fragile"])
def test_isolation_leaves_the_same_records(lab: Path, editor: str) -> None:
    alone = Workshop().run(order(editor), lab / "alone")
    apart = Workshop().run(order(editor), lab / "apart", isolation=Isolation())
    assert contents(apart.folder) == contents(alone.folder)


@pytest.mark.parametrize("protocol", ["one-step", "sequential"])
@pytest.mark.parametrize("editor", ["copy-target", "ft", "t-patcher", "unike", "serac", "ike-memory"])
def test_a_method_leaves_the_same_records(lab: Path, editor: str, protocol: str) -> None:
    what: dict[str, Any] = {"suite": "lab-suite", "backbone": "lab-backbone", "options": OPTIONS[editor]}
    if protocol == "sequential":
        what |= {"protocol": protocol, "protocol_options": {"orders": 2}, "limit": 3}
    alone = Workshop().run(Order(editor=editor, **what), lab / "alone")
    apart = Workshop().run(Order(editor=editor, **what), lab / "apart", isolation=Isolation())
    assert contents(apart.folder) == contents(alone.folder)
    assert apart.failed == 0
    costs = [(run.folder / "timings.jsonl").read_text().splitlines() for run in (alone, apart)]
    sizes = [
        [(row["edit_bytes"], row["edit_parameters"]) for row in map(json.loads, lines) if "edit_bytes" in row]
        for lines in costs
    ]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    ("protocol", "options"),
    [("sequential", {"orders": 1, "batch": 2, "checkpoints": [2]}), ("rollback", {"length": 3})],
)
def test_batches_and_undone_edits_leave_the_same_records(
    lab: Path, protocol: str, options: dict[str, Any]
) -> None:
    what: dict[str, Any] = {
        "suite": "lab-suite", "backbone": "lab-backbone", "options": OPTIONS["t-patcher"], "limit": 4,
        "protocol": protocol, "protocol_options": options,
    }  # fmt: skip
    alone = Workshop().run(Order(editor="t-patcher", **what), lab / "alone")
    apart = Workshop().run(Order(editor="t-patcher", **what), lab / "apart", isolation=Isolation())
    assert contents(apart.folder) == contents(alone.folder)
    assert apart.failed == 0


def test_an_editor_that_ends_its_process_fails_that_edit_only(lab: Path) -> None:
    result = Workshop().run(order("deadly"), lab / "runs", isolation=Isolation())
    assert (result.units, result.failed) == (6, 1)
    assert b"edit: the editor's process ended" in (result.folder / "predictions.jsonl").read_bytes()


def test_an_edit_that_takes_too_long_fails_alone(lab: Path) -> None:
    result = Workshop().run(order("slow"), lab / "runs", isolation=Isolation(edit_timeout=3))
    assert (result.units, result.failed) == (6, 1)
    assert b"edit: took longer than 3 seconds" in (result.folder / "predictions.jsonl").read_bytes()


def test_other_splits_are_not_given_out_in_the_editors_process(lab: Path) -> None:
    result = Workshop().run(order("curious"), lab / "runs", isolation=Isolation())
    assert result.failed == 6
    assert b"is given the split 'train' only" in (result.folder / "predictions.jsonl").read_bytes()
