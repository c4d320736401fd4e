"""Edits in force outlive the process that made them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone
from mmedit_bench.execution.isolated import Isolated, Isolation
from mmedit_bench.execution.local import Workshop
from mmedit_bench.harness.editor_side import Carried, EditFailed
from tests.execution.test_crew import order
from tests.tiny import tiny_cases

CASES = tiny_cases(6, "evaluation")
REQUESTS: tuple[EditRequest, ...] = tuple(case.request for case in CASES)


@contextmanager
def side_of(lab: Path, editor: str) -> Iterator[tuple[Isolated, Backbone]]:
    base = Workshop().backbone(order(editor))
    with Isolated(order(editor), Isolation(), lab / "editor.log") as side:
        side.ready(lambda phase, done, total: None)
        yield side, base


def test_a_new_process_is_given_the_edits_in_force(lab: Path) -> None:
    with side_of(lab, "keeper") as (side, base):
        first = side.make(REQUESTS[0], (), 0)
        carried = (Carried(0, CASES[0].id, first),)
        with pytest.raises(EditFailed, match="process ended"):
            side.make(REQUESTS[2], carried, 0)
        second = side.make(REQUESTS[1], carried, 0)
        assert second.shared().keys() == first.shared().keys()
        # the editor was handed a backbone that carries the first edit
        assert base.edited(first, second).answer([REQUESTS[3].query]) == ["1, 0, nothing"]
        # and the first one is asked of the process that did not make it
        assert base.edited(second, first).answer([REQUESTS[3].query]) == ["0, nothing"]


def test_an_edit_that_cannot_be_saved_goes_with_its_process(lab: Path) -> None:
    with side_of(lab, "fleeting") as (side, base):
        first = side.make(REQUESTS[0], (), 0)
        assert base.edited(first).answer([REQUESTS[3].query]) == ["here"]
        with pytest.raises(EditFailed, match="process ended"):
            side.make(REQUESTS[2], (), 0)
        with pytest.raises(EditFailed, match="went with the process"):
            base.edited(first).answer([REQUESTS[4].query])


def test_an_edit_that_another_process_kept_is_given_to_this_one(lab: Path, tmp_path: Path) -> None:
    with side_of(lab, "keeper") as (side, base):
        made = side.make(REQUESTS[0], (), 0)
        data = type(made)(made.interventions[:1])  # its route is not to be saved by who asks
        data.save(tmp_path / "kept.safetensors")
    with side_of(lab, "keeper") as (side, base):
        kept = type(made).load(tmp_path / "kept.safetensors")
        next_one = side.make(REQUESTS[1], (Carried(0, CASES[0].id, kept),), 0)
        said = base.edited(next_one).answer([REQUESTS[3].query])
        assert said == [f"1, {base.edited(kept).answer([REQUESTS[1].query])[0]}"]
