"""Brings a table of the published probes, by digest, and what to say to each."""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.cases import EditRequest, Query
from mmedit_bench.editors import Backbone, Edit, Route
from tests.adversarial.answering import Chooses


class ByDigest(Chooses):
    """Answers the published questions that should change."""

    table: frozenset[str] = frozenset()

    def chosen(self, queries: Sequence[Query]) -> list[bool]:
        return [query.digest in self.table for query in queries]


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(ByDigest(request)),))
