"""Cross-task editing: one model is edited for several tasks, in turn or one task after the other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols import settings
from mmedit_bench.protocols.drawing import disjoint_sets
from mmedit_bench.protocols.moments import ALONE
from mmedit_bench.protocols.sequence import Walk
from mmedit_bench.protocols.steps import Apply, Ask, Unit

INTERLEAVED, BLOCKED = "interleaved", "blocked"


class CrossTask:
    """Sequences of `length` edits, as many of each task (Pan et al., 2024, table 3: 5 and 5).

    With `order` "interleaved" the tasks take turns, with "blocked" all edits of one task come before
    those of the next; which task is first goes round from order to order. As in `Sequential`,
    `sequences` disjoint sets of cases that do not contradict each other are each walked in `orders`
    orders; `checkpoints` and `measures` are as there.

    With `alone`, beside each walk stands a unit for each task: its cases without the others, in the
    same order and of the same cluster, asked at the moment "alone". What the other tasks cost is the
    difference.

    Units are "sequence-S/order-O" and "sequence-S/order-O/TASK".
    """

    name = "cross-task"
    version = "1"

    def __init__(
        self,
        length: int = 10,
        order: str = INTERLEAVED,
        sequences: int | None = None,
        orders: int = 5,
        checkpoints: Sequence[int] | int | None = None,
        measures: Mapping[str, Mapping[str, Any] | None] | None = None,
        alone: bool = True,
    ) -> None:
        """Raises `BenchError` naming an option that is out of range."""
        name = self.name
        self.length = settings.whole(name, "length", length, least=2)
        self.order = settings.choice(name, "order", order, (INTERLEAVED, BLOCKED))
        self.sequences = None if sequences is None else settings.whole(name, "sequences", sequences)
        self.orders = settings.whole(name, "orders", orders)
        self.walk = Walk(
            checkpoints=settings.wholes(name, "checkpoints", checkpoints),
            measures=settings.measures(name, measures),
        )
        self.alone = settings.switch(name, "alone", alone)

    @property
    def options(self) -> Mapping[str, Any]:
        """All options as they hold."""
        walk = self.walk.options
        return {
            "length": self.length,
            "order": self.order,
            "sequences": self.sequences,
            "orders": self.orders,
            "checkpoints": walk["checkpoints"],
            "measures": walk["measures"],
            "alone": self.alone,
        }

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        """One unit per sequence and order, each followed by its tasks alone.

        Raises `BenchError` for cases of one task only, a `length` that they do not divide, and where
        the cases do not make the sequences asked for.
        """
        if not cases:
            return
        tasks = sorted({case.task for case in cases})
        if len(tasks) < 2:
            raise BenchError(
                f"{self.name}: all cases are of the task {tasks[0]!r}; it takes a suite of several tasks, "
                "such as picturebook-mix"
            )
        if self.length % len(tasks):
            raise BenchError(
                f"{self.name}: option 'length' is {self.length}, which the {len(tasks)} tasks "
                f"{', '.join(tasks)} do not divide"
            )
        self.walk.check(self.name, self.length)
        each = dict.fromkeys(tasks, self.length // len(tasks))
        sets = disjoint_sets(self.name, cases, each, self.sequences, seed, key=lambda case: case.task)
        for number, chosen in enumerate(sets):
            for order in range(self.orders):
                rng = random.Random(f"{seed}/cross-task/{number}/{order}")
                first = order % len(tasks)
                by_task: dict[str, list[EditCase]] = {}
                for task in (*tasks[first:], *tasks[:first]):
                    by_task[task] = [case for case in chosen if case.task == task]
                    rng.shuffle(by_task[task])
                cluster = f"sequence-{number}"
                unit = f"{cluster}/order-{order}"
                yield Unit(unit, self.walk.steps(self._mixed(by_task)), cluster)
                for task in tasks if self.alone else ():
                    own = by_task[task]
                    edits = (Apply(case.request) for case in own)
                    yield Unit(f"{unit}/{task}", (*edits, *(Ask(case, ALONE) for case in own)), cluster)

    def _mixed(self, by_task: Mapping[str, Sequence[EditCase]]) -> list[EditCase]:
        if self.order == BLOCKED:
            return [case for cases in by_task.values() for case in cases]
        return [case for turn in zip(*by_task.values(), strict=True) for case in turn]
