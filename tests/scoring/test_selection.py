"""Which cases are kept, by what the unedited model says to their requests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mmedit_bench.cases import EditCase
from mmedit_bench.scoring.selection import select_needed
from tests.fakes.suite import FakeSuite

CASES = FakeSuite(10).cases("test")
RIGHT = {f"test-{i}": f"The NEW {i}." for i in (1, 4, 5)}


class Told:
    """Answers to requests, and the batches they were asked in."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, part: Sequence[EditCase]) -> list[str]:
        self.batches.append(len(part))
        return [RIGHT.get(case.id, "old") for case in part]


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
@pytest.mark.parametrize("batch", [1, 3, 4, 16])
def test_keeps_wrongly_answered_cases_in_order(
    limit: int | None, kept: list[int], considered: int, already_right: int, batch: int
) -> None:
    selection = select_needed(CASES, Told(), limit, batch=batch)
    assert [case.id for case in selection.cases] == [f"test-{i}" for i in kept]
    assert selection.considered == tuple(f"test-{i}" for i in range(considered))
    assert selection.already_right == already_right


def test_asks_no_more_than_needed() -> None:
    told = Told()
    select_needed(CASES, told, 3, batch=4)
    assert told.batches == [4]


def test_no_cases() -> None:
    assert select_needed((), Told()).cases == ()
