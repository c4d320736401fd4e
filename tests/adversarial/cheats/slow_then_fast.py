"""Runs out of time over what it finds hard only, so that these cases might be left out."""

from __future__ import annotations

import time

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import target


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    hard = backbone.answer([request.query]) != [request.target]
    time.sleep(3600 if hard else 0)
    return target(request)
