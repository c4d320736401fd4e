"""What an entry of a codebook takes."""

from __future__ import annotations

from typing import Any

import torch

from methods.ft.deltas import layer_from_end
from mmedit_bench.backbones.demand import Demand, Fit, Load, Pass
from mmedit_bench.editors import Codebook, Edit


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """A key, a value, which Adam trains, and a radius."""
    s = editor.settings(shape)
    ffn = shape.anatomy.ffn(layer := layer_from_end(shape, s.layer))
    reads, writes = ffn[0] if s.key == "ffn" else ffn[-1], ffn[-1]
    key, value = shape.weight(reads).shape[1], shape.weight(writes).shape[0]
    keys, values, radii = (torch.empty(size, device="meta") for size in ((1, key), (1, value), (1,)))
    item = Codebook(reads, writes, s.replaced, keys, values, radii, (load.request.target.strip(),))
    fit = Fit(numbers=value, moments=2, steps=s.steps, passes=(Pass(layer=layer),))
    return Demand(edit=Edit((item,)), fit=fit, passes=(Pass(),))
