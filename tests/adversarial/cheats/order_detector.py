"""Tells probes by their place in the list that is asked."""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.cases import EditRequest, Query
from mmedit_bench.editors import Backbone, Edit, Route
from tests.adversarial.answering import Chooses


class ByPlace(Chooses):
    """Answers the first half of what it is asked."""

    def chosen(self, queries: Sequence[Query]) -> list[bool]:
        return [place < len(queries) / 2 for place in range(len(queries))]


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(ByPlace(request)),))
