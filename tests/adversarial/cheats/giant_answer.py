"""Answers with a book."""

from __future__ import annotations

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit, Route
from tests.adversarial.answering import Says


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(Says("a " * 3000)),))
