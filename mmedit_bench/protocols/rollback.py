"""Rollback: an edit is undone, and nothing of it should be left."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols import settings
from mmedit_bench.protocols.drawing import disjoint_sets
from mmedit_bench.protocols.moments import UNDONE, WITHOUT
from mmedit_bench.protocols.steps import Apply, Ask, Step, Undo, Unit


class Rollback:
    """Edits are made, one of them is undone, and all cases are asked before and after.

    With a `length` of 1 each case has a unit of its own: once undone, every answer should be that of
    the unedited model. Longer sequences are sets of cases that do not contradict each other, each
    walked in `orders` orders; all are asked with all edits in force ("end"), then edit number `undo`
    (default: the middle one) is taken out and all are asked again ("undone"). Beside it stands a unit of
    the same cluster in which that edit is never made ("without"): the answers should be the same, and
    are for every editor that does not look at the edits in force.
    """

    name = "rollback"
    version = "1"

    def __init__(
        self, length: int = 1, undo: int | None = None, sequences: int | None = None, orders: int = 1
    ) -> None:
        """Raises `BenchError` naming an option that is out of range."""
        name = self.name
        self.length = settings.whole(name, "length", length)
        self.undo = (length + 1) // 2 if undo is None else settings.whole(name, "undo", undo)
        if self.undo > length:
            raise BenchError(f"{name}: option 'undo' is {undo}, but a sequence has {length} edits")
        self.sequences = None if sequences is None else settings.whole(name, "sequences", sequences)
        self.orders = settings.whole(name, "orders", orders)
        if length == 1 and orders > 1:
            raise BenchError(f"{name}: option 'orders' is {orders}, but one edit has one order")

    @property
    def options(self) -> Mapping[str, Any]:
        """All options as they hold."""
        return {
            "length": self.length, "undo": self.undo, "sequences": self.sequences, "orders": self.orders,
        }  # fmt: skip

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        """Raises `BenchError` where the cases do not make the sequences asked for."""
        if not cases:
            return
        if self.length == 1:
            for case in cases[: self.sequences]:
                asked = (Ask(case), Undo(case.id), Ask(case, UNDONE))
                yield Unit(case.id, (Apply(case.request), *asked))
            return
        sets = disjoint_sets(self.name, cases, {"": self.length}, self.sequences, seed)
        for number, chosen in enumerate(sets):
            for order in range(self.orders):
                walked = list(chosen)
                random.Random(f"{seed}/rollback/{number}/{order}").shuffle(walked)
                gone = walked[self.undo - 1]
                cluster = f"sequence-{number}"
                edits: list[Step] = [Apply(case.request) for case in walked]
                edits += [Ask(case) for case in walked]
                edits += [Undo(gone.id), *(Ask(case, UNDONE) for case in walked)]
                yield Unit(f"{cluster}/order-{order}", tuple(edits), cluster)
                others = [Apply(case.request) for case in walked if case is not gone]
                asked_without = [Ask(case, WITHOUT) for case in walked]
                yield Unit(f"{cluster}/order-{order}/without", (*others, *asked_without), cluster)
