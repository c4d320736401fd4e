"""One-step editing: each edit alone, on the unedited backbone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmedit_bench.cases import EditCase
from mmedit_bench.protocols.steps import Apply, Ask, Restore, Unit


class OneStep:
    """For each case, in the given order: apply its edit, ask its probes, drop the edit.

    A unit is one case and bears its id. The seed plays no part: the order cannot matter.
    """

    name = "one-step"
    version = "1"

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        """One unit per case."""
        for case in cases:
            yield Unit(case.id, (Apply(case.request), Ask(case), Restore()))
