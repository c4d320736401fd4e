"""What gated demonstrations take."""

from __future__ import annotations

from typing import Any

import torch

from methods.ike.demand import context, demonstration, shown, vector
from methods.ike_memory.gate import Keys, Thresholds
from methods.ike_memory.reader import Entry, Memory
from mmedit_bench.backbones.demand import SINGLE, Demand, Load
from mmedit_bench.editors import Edit, Route


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """As `ike`'s, with a key for wording and picture in place of a condition."""
    s, request = editor.settings(shape), load.request
    width = vector(shape, s.retriever)
    keys = Keys(torch.empty(1, width, device="meta"), torch.empty(1, shape.width, device="meta"))
    fact = f"New Fact: {request.query.prompt} {request.target}\nPrompt: "
    text = shown(shape, load, s.demonstrations, s.reserve) * demonstration(load) + fact
    memory = Memory(s.retriever, Thresholds(0.0, 0.0), (Entry(request.id, keys, text),))
    return Demand(
        edit=Edit((Route(memory, request.id),)),
        context=context(shape, load, s.demonstrations, s.reserve), held=SINGLE * load.cases * width,
    )  # fmt: skip
