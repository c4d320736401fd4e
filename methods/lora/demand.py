"""What low-rank adapters take."""

from __future__ import annotations

from typing import Any

import torch

from methods.lora.editor import adapted
from mmedit_bench.backbones.demand import Demand, Fit, Load, Pass
from mmedit_bench.editors import Edit, LowRankDelta


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """Two narrow matrices beside each adapted linear layer, by Adam."""
    s = editor.settings(shape)
    items = []
    for path in adapted(shape, s.modules, s.layers):
        out, into = shape.weight(path).shape
        left, right = (torch.empty(size, device="meta") for size in ((out, s.rank), (s.rank, into)))
        items.append(LowRankDelta(path, left, right))
    fit = Fit(
        numbers=sum(item.parameter_count for item in items), moments=2, steps=s.steps,
        passes=(Pass(layer=shape.layer_count - s.layers),),
    )  # fmt: skip
    return Demand(edit=Edit(tuple(items)), fit=fit)
