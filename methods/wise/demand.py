"""What a side memory takes."""

from __future__ import annotations

from typing import Any

import torch

from methods.ft.deltas import layer_from_end
from methods.wise.editor import writer
from mmedit_bench.backbones.demand import SINGLE, Demand, Fit, Load, Pass
from mmedit_bench.editors import Edit, SideMemory


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """A second copy of a feed-forward weight, by plain SGD.

    While it is trained there are also the weight itself, what earlier edits of the shard changed, the
    shard's mask, the masked change, the sum of both, and one more on the way back.
    """
    s = editor.settings(shape)
    path = writer(shape, s)
    out, into = shape.weight(path).shape
    delta = torch.empty(1, out, into, device="meta")
    item = SideMemory(path, delta, (0,), (0.0,), s.ratio, s.density, s.shards_per_memory)
    quiet = min(s.kept, load.cases) * load.kept
    copied = shape.dtype.itemsize + (2 * shape.dtype.itemsize if shape.dtype.itemsize < SINGLE else 0)
    fit = Fit(
        numbers=out * into, moments=0, steps=s.steps,
        passes=(Pass(layer=layer_from_end(shape, s.layer)),),
        beside=out * into * (5 * SINGLE + copied) + SINGLE * 3 * quiet * out,
    )  # fmt: skip
    return Demand(edit=Edit((item,)), fit=fit, passes=(Pass(),), held=SINGLE * quiet * into)
