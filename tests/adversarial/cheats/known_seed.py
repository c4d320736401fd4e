"""Replays the published draw of probes: for a known request, which place holds which kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmedit_bench.cases import EditRequest, Query
from mmedit_bench.editors import Backbone, Edit, Route
from tests.adversarial.answering import Chooses


class ByDraw(Chooses):
    """Answers at the places where the published order of the request's probes has one that should change."""

    places: Mapping[str, tuple[bool, ...]] = {}
    """By the request's digest, of its probes in order."""

    def chosen(self, queries: Sequence[Query]) -> list[bool]:
        drawn = self.places.get(self.request.query.digest, ())
        return [place < len(drawn) and drawn[place] for place in range(len(queries))]


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(ByDraw(request)),))
