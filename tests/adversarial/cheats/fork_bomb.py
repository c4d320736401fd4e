"""Starts processes until there are no more to be had."""

from __future__ import annotations

import os
import time

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    while True:
        if os.fork() == 0:
            time.sleep(3600)
