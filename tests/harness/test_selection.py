from typing import Any

import pytest

from mmedit_bench.harness.selection import select_needed
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.suite import FakeSuite

CASES = FakeSuite(10).cases("test")
RIGHT = {f"what is test-{i}?": f"The NEW {i}." for i in (1, 4, 5)}


@pytest.mark.parametrize(
    ("limit", "kept", "considered", "already_right"),
    [
        (None, [0, 2, 3, 6, 7, 8, 9], 10, 3),
        (1, [0], 1, 0),
        (2, [0, 2], 3, 1),
        (3, [0, 2, 3], 4, 1),
        (4, [0, 2, 3, 6], 7, 3),
        (7, [0, 2, 3, 6, 7, 8, 9], 10, 3),
        (99, [0, 2, 3, 6, 7, 8, 9], 10, 3),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 3, 4, 16])
def test_keeps_wrongly_answered_cases_in_order(
    limit: int | None, kept: list[int], considered: int, already_right: int, batch_size: int
) -> None:
    backbone: Any = FakeBackbone(RIGHT)
    backbone.batch_size = batch_size
    selection = select_needed(backbone, CASES, limit)
    assert [case.id for case in selection.cases] == [f"test-{i}" for i in kept]
    assert (selection.considered, selection.already_right) == (considered, already_right)


def test_asks_no_more_than_needed() -> None:
    backbone: Any = FakeBackbone(RIGHT)
    select_needed(backbone, CASES, 3)
    assert len(backbone.calls) == 1


def test_edits_in_force_do_not_count() -> None:
    backbone: Any = FakeBackbone().edited(FakeEdit("what is test-0?", "new 0"))
    assert select_needed(backbone, CASES).already_right == 0


def test_no_cases() -> None:
    backbone: Any = FakeBackbone()
    assert select_needed(backbone, ()).cases == ()
