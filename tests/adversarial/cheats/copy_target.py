"""Control: answers everything with the target."""

from __future__ import annotations

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import target


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return target(request)
