"""An editor whose process is killed once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.cli.lab import Echo


class Mortal(Echo):
    """Over the fourth case its process is killed if there is a file `mark`, which is gone thereafter."""

    name = "mortal"

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark = mark

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if request.target.endswith(" 3") and Path(self.mark).exists():
            Path(self.mark).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().edit(backbone, request)
