"""An editor in a process of its own leaves the same records as one beside the harness."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.local import Workshop
from tests.execution.test_crew import contents, order


@pytest.mark.parametrize("editor", ["null", "pupil", "fragile"])
def test_isolation_leaves_the_same_records(lab: Path, editor: str) -> None:
    alone = Workshop().run(order(editor), lab / "alone")
    apart = Workshop().run(order(editor), lab / "apart", isolation=Isolation())
    assert contents(apart.folder) == contents(alone.folder)


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
