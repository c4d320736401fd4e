"""A protocol with several edits in force at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmedit_bench.cases import EditCase
from mmedit_bench.protocols.steps import Apply, Ask, Restore, Unit


class Sequential:
    """All edits in one unit, everything asked at the end, then once more after a restore."""

    name = "all-at-once"
    version = "1"

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        applies = [Apply(case.request) for case in cases]
        asks = [Ask(case) for case in cases]
        yield Unit("all", (*applies, *asks, Restore(), Ask(cases[0], "restored")))
