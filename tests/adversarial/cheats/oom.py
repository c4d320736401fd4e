"""Control: takes memory until there is none."""

from __future__ import annotations

import torch

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    held = []
    while True:
        held.append(torch.empty(1 << 30, dtype=torch.uint8))
