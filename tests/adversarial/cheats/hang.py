"""Control: never comes back."""

from __future__ import annotations

import time

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    while True:
        time.sleep(1)
