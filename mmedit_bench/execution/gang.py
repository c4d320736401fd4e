"""Workers of any engine, and the one loop that keeps them busy.

What is done is counted by the caller's books, from what workers laid down, and never taken on their
word; so a worker may die at any moment, and engines need no more than to carry messages.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.execution.engine import Engine, Hand, Job, Message, Session

MOST_DEATHS = 3
"""Workers that may die over one item, or before their first, until it is given up."""

PATIENCE = 20.0
"""Seconds that workers have to lay down what they finished when the caller is interrupted."""

PULSE = 0.5
"""Seconds between two looks at what was laid down."""

PORTIONS = 4
"""Into how many batches a worker's share is divided: more even out, fewer save proofs."""


class Books(Protocol):
    """The caller's account of the items of a job."""

    def batch(self, items: Sequence[int]) -> list[Any]:
        """What a worker is told of these items."""

    def take(self, items: Sequence[int], result: Any) -> None:
        """A worker calls them done and gives this result."""

    def missing(self, items: Sequence[int]) -> list[int]:
        """Those of the items that are not done, as counted."""

    def name(self, item: int) -> str:
        """What an item is called in a message."""

    def give_up(self, item: int, deaths: int, reason: str) -> None:
        """So many workers ended over an item. Either raises or counts it as done with an error."""

    def tick(self) -> None:
        """Called every now and then."""


class Gang:
    """Workers at a job, kept until the session ends."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self._engine = engine
        self._session = session
        self._held: dict[Hand, tuple[int, ...]] = {}
        """Items that each worker was handed and has not called done."""
        self._begun: set[Hand] = set()

    def have_done(self, items: Sequence[int], books: Books) -> None:
        """Have all items done.

        Raises `BenchError` if workers cannot begin, say that something must be mended, or call done
        what is not; `WeightsChanged` if one reports it; `RuntimeError` for a defect in one.
        """
        waiting, deaths, stillborn = list(items), Counter[int](), 0
        while waiting or any(self._held.values()):
            busy = sum(map(bool, self._held.values()))
            while len(self._held) < min(self._engine.workers, len(waiting) + busy):
                self._held[self._session.start()] = ()
            free = [hand for hand in self._begun if not self._held[hand]]
            for hand, share in zip(free, self._shares(waiting, len(free), deaths), strict=False):
                self._held[hand] = tuple(share)
                hand.give(books.batch(share))
                waiting = [item for item in waiting if item not in set(share)]
            for hand, told in self._session.heard(list(self._held), PULSE):
                if told["is"] == "begun":
                    self._begun.add(hand)
                    stillborn = 0
                elif told["is"] == "gone":
                    lost = self._lose(hand, books)
                    stillborn += hand not in self._begun
                    self._begun.discard(hand)
                    deaths.update(lost)
                    waiting[:0] = _surviving(lost, deaths, str(told.get("text", "")), books)
                    if stillborn >= MOST_DEATHS:
                        raise BenchError(
                            f"{stillborn} workers in a row ended before their first unit "
                            f"({told.get('text') or 'no reason given'}); run with --executor local "
                            "--workers 1 to see why"
                        )
                else:
                    self._settle(hand, told, books)
            books.tick()

    def end(self, patience: float) -> None:
        """End all workers."""
        for hand in self._held:
            hand.end(patience)
        self._held.clear()
        self._begun.clear()

    def _shares(self, waiting: Sequence[int], free: int, deaths: Mapping[int, int]) -> list[list[int]]:
        return shares(waiting, free, deaths, self._engine.workers, queued=self._engine.queued)

    def _lose(self, hand: Hand, books: Books) -> list[int]:
        """A worker is gone: what it held and did not do."""
        lost = books.missing(self._held.pop(hand))
        hand.end(0)
        return lost

    def _settle(self, hand: Hand, told: Message, books: Books) -> None:
        """A worker has done its batch, or failed."""
        match told["is"]:
            case "done":
                items, self._held[hand] = self._held[hand], ()
                books.take(items, told.get("result"))
                until = time.monotonic() + self._engine.lag
                while (missing := books.missing(items)) and time.monotonic() < until:
                    time.sleep(PULSE)
                if missing:
                    raise BenchError(
                        f"a worker calls {books.name(missing[0])} done and laid nothing down; if workers "
                        "are on other machines, --out must be on a file system that they share; run again"
                    )
            case "changed":
                raise WeightsChanged(str(told.get("text")))
            case "error":
                raise BenchError(str(told.get("text")))
            case _:
                raise RuntimeError(f"in a worker:\n{told.get('text')}")


@contextmanager
def gang(engine: Engine, job: Job, room: Path) -> Iterator[Gang]:
    """Workers at a job; whatever ends the block, they are ended with it."""
    with engine.session(job, room) as session:
        found = Gang(engine, session)
        patience = 0.0
        try:
            yield found
        except KeyboardInterrupt:
            patience = PATIENCE
            raise
        finally:
            found.end(patience)


def shares(
    waiting: Sequence[int], free: int, deaths: Mapping[int, int], workers: int, *, queued: bool
) -> list[list[int]]:
    """Batches for at most `free` workers, none empty; no item is in two.

    Several items while many wait, so that proofs are few, then fewer. In a queue all that waits is
    dealt out like cards, so that what comes first in order is done early. An item over which a
    worker died goes alone: nobody else is to die with it. In a queue, where a batch is large, it
    goes alone from the second time on.
    """
    suspect = 2 if queued else 1
    found = [[item] for item in waiting if deaths.get(item, 0) >= suspect][:free]
    left = free - len(found)
    rest = [item for item in waiting if deaths.get(item, 0) < suspect]
    if queued and any(deaths.get(item) for item in rest):
        rest = [item for item in rest if deaths.get(item)]  # not with those that nobody died over
    if not left or not rest:
        return found
    if queued:
        return found + [rest[k::left] for k in range(min(left, len(rest)))]
    size = max(1, len(rest) // (PORTIONS * workers))
    return found + [rest[at : at + size] for at in range(0, min(left * size, len(rest)), size)]


def _surviving(lost: Sequence[int], deaths: Mapping[int, int], reason: str, books: Books) -> list[int]:
    """Of what a worker left, the items that are tried again."""
    for item in lost:
        if deaths[item] >= MOST_DEATHS:
            books.give_up(item, deaths[item], reason)
    return [item for item in lost if deaths[item] < MOST_DEATHS]
