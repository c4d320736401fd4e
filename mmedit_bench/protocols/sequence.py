"""One walk through a list of cases: what is edited when, and what is asked in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.moments import START, after, age
from mmedit_bench.protocols.settings import measuring
from mmedit_bench.protocols.steps import END, Apply, Ask, Step


@dataclass(frozen=True, slots=True)
class Walk:
    """How cases are walked; all numbers count edits.

    Edits are made `batch` at a time, each of a batch on the model without the others of it. Age is
    counted from the end of a case's batch.
    """

    batch: int = 1
    checkpoints: tuple[int, ...] = ()
    """All cases edited so far are asked when so many edits were made."""
    ages: tuple[int, ...] = ()
    """A case is asked when so many edits were made since its own."""
    every: int = 1
    """Ages are asked only when a multiple of so many edits was made."""
    measures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    """Taken at the start, at every checkpoint and at the end: names with options."""

    @property
    def options(self) -> dict[str, Any]:
        """As the options of a protocol: None for what is left open."""
        return {
            "checkpoints": list(self.checkpoints) or None,
            "ages": list(self.ages) or None,
            "every": self.every if self.every > 1 else None,
            "batch": self.batch if self.batch > 1 else None,
            "measures": {name: dict(own) for name, own in self.measures.items()} or None,
        }

    def check(self, protocol: str, length: int) -> None:
        """Raises `BenchError` for moments that a walk through `length` cases does not come by."""
        for option, values in (("checkpoints", self.checkpoints), ("ages", self.ages)):
            if beyond := [value for value in values if value > length - (option == "ages")]:
                raise BenchError(
                    f"{protocol}: option {option!r} has {beyond[0]}, which a sequence of {length} edits "
                    "does not reach"
                )
        inside = [("checkpoints", value) for value in self.checkpoints if value != length]
        inside += [("ages", value) for value in self.ages]
        inside += [("every", self.every)] if self.every > 1 else []
        for option, value in inside:
            if value % self.batch:
                raise BenchError(
                    f"{protocol}: option {option!r} has {value}, which is inside of a batch; with 'batch' "
                    f"{self.batch} it must be a multiple of that"
                )

    def steps(self, cases: Sequence[EditCase]) -> tuple[Step, ...]:
        """The steps of one unit: all cases in this order, everything asked at the end."""
        steps: list[Step] = [*measuring(self.measures, START)]
        batches = [cases[at : at + self.batch] for at in range(0, len(cases), self.batch)]
        ended: dict[int, Sequence[EditCase]] = {}
        done = 0
        for batch in batches:
            ids = [case.id for case in batch]
            steps += [Apply(case.request, tuple(id for id in ids if id != case.id)) for case in batch]
            done += len(batch)
            ended[done] = batch
            if done % self.every == 0:
                for edits in self.ages:
                    steps += [Ask(case, age(edits)) for case in ended.get(done - edits, ())]
            if done in self.checkpoints and done < len(cases):
                steps += [Ask(case, after(done)) for case in cases[:done]]
                steps += measuring(self.measures, after(done))
        steps += [Ask(case, END) for case in cases]
        return (*steps, *measuring(self.measures, END))
