"""Rewrites records when its process ends, or is told to end."""

from __future__ import annotations

import atexit
import signal
import sys
from pathlib import Path

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.rogue import TOLD


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    def rewrite() -> None:
        for path in Path(TOLD["runs"]).rglob("predictions.jsonl"):
            path.write_text(path.read_text().replace("failed", "ok"))

    atexit.register(rewrite)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
    return Edit()
