"""Sequential editing: many edits on one model, asked about when all of them are in force."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols import settings
from mmedit_bench.protocols.drawing import disjoint_sets, whole_set
from mmedit_bench.protocols.sequence import Walk
from mmedit_bench.protocols.steps import Unit


class Sequential:
    """Sequences of `length` cases, each walked in `orders` orders (Pan et al., 2024, Eq. 16-20).

    All edits of a sequence are applied one after another, or `batch` at a time, and then the probes
    of every one of them are asked of the final model. The sequences are disjoint sets of cases that
    do not contradict each other (`contradictions`), as many as `sequences` says or as there are, at
    most 100. Without `length` there is one, of as many cases as are found to stand together.

    `checkpoints` are numbers of edits after which all cases edited so far are asked, too ("after N").
    `ages` has a case asked when so many edits were made since its own ("age G"), 0 meaning at once;
    `every` thins these out to after each so many edits. `measures` are taken of the model before the
    first edit, at the checkpoints, and at the end.

    Units are "sequence-S/order-O" and share the cluster "sequence-S".
    """

    name = "sequential"
    version = "2"

    def __init__(
        self,
        length: int | None = None,
        sequences: int | None = None,
        orders: int = 5,
        checkpoints: Sequence[int] | int | None = None,
        ages: Sequence[int] | int | None = None,
        every: int | None = None,
        batch: int | None = None,
        measures: Mapping[str, Mapping[str, Any] | None] | None = None,
    ) -> None:
        """Raises `BenchError` naming an option that is out of range."""
        name = self.name
        self.length = None if length is None else settings.whole(name, "length", length)
        self.sequences = None if sequences is None else settings.whole(name, "sequences", sequences)
        if self.length is None and self.sequences not in (None, 1):
            raise BenchError(f"{name}: {sequences} 'sequences' need a 'length'; without it there is one")
        self.orders = settings.whole(name, "orders", orders)
        self.walk = Walk(
            batch=1 if batch is None else settings.whole(name, "batch", batch),
            checkpoints=settings.wholes(name, "checkpoints", checkpoints),
            ages=settings.wholes(name, "ages", ages, least=0),
            every=1 if every is None else settings.whole(name, "every", every),
            measures=settings.measures(name, measures),
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """All options as they hold."""
        return {
            "length": self.length,
            "sequences": self.sequences,
            "orders": self.orders,
            **self.walk.options,
        }

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        """One unit per sequence and order.

        Raises `BenchError` where the cases do not make the sequences asked for, and for a moment that
        the sequences do not come by.
        """
        if not cases:
            return
        if self.length is None:
            sets: tuple[tuple[EditCase, ...], ...] = (whole_set(cases, seed),)
        else:
            sets = disjoint_sets(self.name, cases, {"": self.length}, self.sequences, seed)
        self.walk.check(self.name, len(sets[0]))
        for number, chosen in enumerate(sets):
            for order in range(self.orders):
                walked = list(chosen)
                random.Random(f"{seed}/sequential/{number}/{order}").shuffle(walked)
                cluster = f"sequence-{number}"
                yield Unit(f"{cluster}/order-{order}", self.walk.steps(walked), cluster)
