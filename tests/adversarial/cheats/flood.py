"""Prints megabytes that look like records."""

from __future__ import annotations

import os

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import target


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    for stream in (1, 2):
        for _ in range(16):
            os.write(stream, b'{"status": "complete"}\n' * 4096)
    return target(request)
