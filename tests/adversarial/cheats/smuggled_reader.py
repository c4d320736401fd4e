"""Sends a reader across as if it were data, so that the other side would load its class."""

from __future__ import annotations

from typing import Any

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit, Route, register_reader
from mmedit_bench.execution import crossing
from tests.adversarial.answering import Says


class Smuggled(Says):
    """Would be looked up by its name."""


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    register_reader("smuggled", Smuggled)
    honest = crossing.is_data
    crossing.is_data = lambda item: is_smuggled(item) or honest(item)
    return Edit((Route(Smuggled(request.target)),))


def is_smuggled(item: Any) -> bool:
    return type(item) is Route and type(item.reader) is Smuggled
