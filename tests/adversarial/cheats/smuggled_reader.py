"""Sends a reader across as if it were data, so that the other side would load its class."""

from __future__ import annotations

from typing import Any

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit, Route
from mmedit_bench.execution import crossing
from tests.adversarial.answering import Says


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    honest = crossing._is_data

    def once(item: Any) -> bool:
        crossing._is_data = honest
        return True

    crossing._is_data = once
    return Edit((Route(Says(request.target)),))
