"""Leaves a thread behind that would not end, and writes to the weights of its own process."""

from __future__ import annotations

import threading
import time

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import target


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    def stay() -> None:
        while True:
            time.sleep(60)
            next(backbone.model.parameters()).data.zero_()

    threading.Thread(target=stay).start()
    return target(request)
