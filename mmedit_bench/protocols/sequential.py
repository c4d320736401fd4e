"""Sequential editing: many edits on one model, asked about when all of them are in force."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.steps import END, Apply, Ask, Unit

MOST = 100_000
"""Largest value of an option: a schedule is made whole, also for a run that a stranger brings."""


class Sequential:
    """`orders` sequences, each of `length` cases in an order of its own (Pan et al., 2024, Eq. 16-20).

    All edits of a sequence are applied one after another, and then the probes of every one of them
    are asked of the final model. Without `length` a sequence holds all cases. With `every`, the
    cases edited so far are also asked after each `every` edits, at the moment "after N".
    """

    name = "sequential"
    version = "1"

    def __init__(self, length: int | None = None, orders: int = 5, every: int | None = None) -> None:
        for option, value in (("length", length), ("orders", orders), ("every", every)):
            if value is None and option != "orders":
                continue
            if type(value) is not int or not 1 <= value <= MOST:
                raise BenchError(f"sequential: option {option!r} is {value!r}; it must be 1 to {MOST}")
        self.length, self.orders, self.every = length, orders, every

    @property
    def options(self) -> Mapping[str, Any]:
        """All options as they hold."""
        return {"length": self.length, "orders": self.orders, "every": self.every}

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        """One unit per order. Raises `BenchError` for a `length` beyond the number of cases."""
        length = len(cases) if self.length is None else self.length
        if length > len(cases):
            raise BenchError(
                f"sequential: option 'length' is {length}, but there are {len(cases)} edits; raise --limit"
            )
        for order in range(self.orders):
            drawn = list(cases)
            random.Random(f"{seed}/sequential/{order}").shuffle(drawn)
            chosen = drawn[:length]
            steps: list[Apply | Ask] = []
            for done, case in enumerate(chosen, start=1):
                steps.append(Apply(case.request))
                if self.every and done % self.every == 0 and done < length:
                    steps += [Ask(earlier, f"after {done}") for earlier in chosen[:done]]
            steps += [Ask(case, END) for case in chosen]
            yield Unit(f"order-{order}", tuple(steps))
