"""The editor whose every case is another cheat: the first word of the target names it."""

from __future__ import annotations

import importlib
from typing import Any

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit

TOLD: dict[str, Any] = {}
"""What a cheat is told of the world outside, so that it need not guess."""


class Rogue:
    """Cheats as the target says, or always with `trick`.

    `port` is that of a server with the answers, `runs` the folder of the runs, `case` a case's id.
    """

    name = "rogue"
    version = "1"
    cost_class = "free"

    def __init__(self, trick: str = "", port: int = 0, runs: str = "", case: str = "") -> None:
        self.trick = trick
        TOLD.update(port=port, runs=runs, case=case)
        if not trick:  # as its package's import would, long before the first edit
            importlib.import_module("tests.adversarial.cheats.patched_in_init")

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        trick = self.trick or request.target.split()[0]
        made: Edit = importlib.import_module(f"tests.adversarial.cheats.{trick}").edit(backbone, request)
        return made
