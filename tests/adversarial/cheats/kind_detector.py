"""Tells probes that should change by their form: a picture, and a word of the edited question."""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.cases import EditRequest, Query
from mmedit_bench.editors import Backbone, Edit, Route
from tests.adversarial.answering import Chooses


class ByWords(Chooses):
    """Answers what shows a picture and shares a long word with the request."""

    def chosen(self, queries: Sequence[Query]) -> list[bool]:
        own = _long(self.request.query.prompt)
        return [query.image is not None and bool(own & _long(query.prompt)) for query in queries]


def _long(prompt: str) -> set[str]:
    return {word.strip("?.,") for word in prompt.lower().split() if len(word) > 4}


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(ByWords(request)),))
