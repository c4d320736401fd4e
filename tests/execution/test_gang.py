"""The loop that keeps workers busy, with workers that are no processes at all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.execution.engine import Hand, Job, Message
from mmedit_bench.execution.gang import MOST_DEATHS, gang, shares


class Paper:
    """A worker on paper, and what it was told."""

    def __init__(self) -> None:
        self.batch: list[Any] | None = None
        self.begun = self.ended = False

    def give(self, batch: Sequence[Any]) -> None:
        assert self.batch is None, "one batch at a time"
        assert not self.ended
        self.batch = list(batch)

    def end(self, patience: float) -> None:
        self.ended = True


class PaperEngine:
    """Workers that finish in any order and die where they are told to."""

    here, lag = True, 0.0

    def __init__(
        self, workers: int, *, queued: bool = False, seed: int = 0, deadly: dict[int, int] | None = None,
        stillborn: int = 0, says: Message | None = None, lazy: bool = False,
    ) -> None:  # fmt: skip
        self.workers, self.queued, self.lazy, self.says = workers, queued, lazy, says
        self.stillborn, self.deadly = stillborn, dict(deadly or {})
        self.random = random.Random(seed)
        self.hands: list[Paper] = []
        self.done: list[int] = []
        self.batches: list[list[int]] = []

    @contextmanager
    def session(self, job: Job, room: Path) -> Iterator[PaperEngine]:
        yield self

    def start(self) -> Hand:
        self.hands.append(Paper())
        return self.hands[-1]

    def heard(self, hands: Sequence[Hand], seconds: float) -> list[tuple[Hand, Message]]:
        own = [hand for hand in hands if isinstance(hand, Paper)]
        assert not any(hand.ended for hand in own)
        assert len(own) <= self.workers
        able = [hand for hand in own if not hand.begun or hand.batch is not None]
        chosen = self.random.sample(able, self.random.randint(0, len(able)))
        return [(hand, self._said(hand)) for hand in chosen]

    def _said(self, hand: Paper) -> Message:
        if not hand.begun:
            if self.stillborn:
                self.stillborn -= 1
                return {"is": "gone", "text": "no reason"}
            hand.begun = True
            return {"is": "begun"}
        batch, hand.batch = hand.batch or [], None
        self.batches.append(batch)
        for item in batch:
            if self.deadly.get(item):
                self.deadly[item] -= 1
                return {"is": "gone", "text": "killed"}
            if not self.lazy:
                self.done.append(item)
        return self.says or {"is": "done", "result": batch}


class PaperBooks:
    def __init__(self, engine: PaperEngine) -> None:
        self.engine = engine
        self.given_up: dict[int, int] = {}

    def batch(self, items: Sequence[int]) -> list[Any]:
        return list(items)

    def take(self, items: Sequence[int], result: Any) -> None:
        assert list(items) == result

    def missing(self, items: Sequence[int]) -> list[int]:
        return [item for item in items if item not in self.engine.done]

    def name(self, item: int) -> str:
        return f"item {item}"

    def give_up(self, item: int, deaths: int, reason: str) -> None:
        assert reason == "killed"
        self.given_up[item] = deaths

    def tick(self) -> None:
        pass


def worked(engine: PaperEngine, count: int = 30) -> PaperBooks:
    books = PaperBooks(engine)
    with gang(engine, None, Path()) as workers:  # type: ignore[arg-type]
        workers.have_done(range(count), books)
    assert all(hand.ended for hand in engine.hands)
    return books


@given(st.integers(1, 5), st.booleans(), st.integers(0, 10**6), st.sets(st.integers(0, 29)))
def test_all_is_done_whoever_dies_and_in_whatever_order_it_is_heard(
    workers: int, queued: bool, seed: int, deadly: set[int]
) -> None:
    engine = PaperEngine(workers, queued=queued, seed=seed, deadly=dict.fromkeys(deadly, 1))
    books = worked(engine)
    assert set(engine.done) | set(books.given_up) == set(range(30))
    if not queued:  # where a queue's large batch may cost an item two deaths that are not its own
        assert not books.given_up


def test_what_keeps_ending_its_workers_is_given_up_and_nothing_else() -> None:
    engine = PaperEngine(2, deadly={7: MOST_DEATHS})
    books = worked(engine)
    assert books.given_up == {7: MOST_DEATHS}
    assert set(engine.done) == set(range(30)) - {7}
    assert [7] in engine.batches, "after the first death it goes alone"


def test_a_queue_is_handed_whole_shares_in_the_order_of_the_schedule() -> None:
    engine = PaperEngine(3, queued=True)
    worked(engine)
    assert sum(map(len, engine.batches)) == 30
    assert all(len(batch) >= 10 for batch in engine.batches)
    assert all(batch == sorted(batch) for batch in engine.batches)


def test_a_worker_that_calls_done_what_is_not_is_found_out() -> None:
    with pytest.raises(BenchError, match="calls item 0 done and laid nothing down"):
        worked(PaperEngine(1, lazy=True))


def test_workers_that_never_begin_are_given_up() -> None:
    with pytest.raises(BenchError, match=r"3 workers in a row ended before their first unit \(no reason\)"):
        worked(PaperEngine(2, stillborn=MOST_DEATHS))
    worked(PaperEngine(1, stillborn=MOST_DEATHS - 1))


@pytest.mark.parametrize(
    ("kind", "raised"), [("changed", WeightsChanged), ("error", BenchError), ("defect", RuntimeError)]
)
def test_what_a_worker_says_is_wrong_is_raised(kind: str, raised: type[Exception]) -> None:
    with pytest.raises(raised, match="so it is"):
        worked(PaperEngine(2, says={"is": kind, "text": "so it is"}))


@given(
    st.lists(st.integers(0, 99), unique=True), st.integers(1, 6), st.integers(1, 6),
    st.dictionaries(st.integers(0, 99), st.integers(0, 2)), st.booleans(),
)  # fmt: skip
def test_shares_are_apart_and_never_empty(
    waiting: list[int], free: int, workers: int, deaths: dict[int, int], queued: bool
) -> None:
    found = shares(waiting, free, deaths, workers, queued=queued)
    dealt = [item for share in found for item in share]
    assert len(dealt) == len(set(dealt))
    assert set(dealt) <= set(waiting)
    assert all(found)
    assert len(found) <= free
    assert bool(found) == bool(waiting)
    alone = 2 if queued else 1
    assert all(len(share) == 1 for share in found for item in share if deaths.get(item, 0) >= alone)
