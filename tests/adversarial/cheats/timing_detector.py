"""Tells probes by how long after the edit they are asked."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mmedit_bench.cases import EditRequest, Query
from mmedit_bench.editors import Backbone, Edit, Route
from tests.adversarial.answering import Chooses


class ByTime(Chooses):
    """Answers what is asked within a hundredth of a second of its first question."""

    def __init__(self, request: EditRequest) -> None:
        super().__init__(request)
        self.first: float | None = None

    def chosen(self, queries: Sequence[Query]) -> list[bool]:
        now = time.monotonic()
        self.first = self.first or now
        return [now - self.first < 0.01 for _ in queries]


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(ByTime(request)),))
