"""What neurons for mistaken tokens take."""

from __future__ import annotations

from typing import Any

import torch

from methods.ft.deltas import layer_from_end
from mmedit_bench.backbones.demand import SINGLE, Demand, Fit, Load, Pass
from mmedit_bench.editors import Edit, ExtraNeurons


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """A neuron for every token of the target, as if the backbone had all of them wrong; Adam."""
    s = editor.settings(shape)
    layer = layer_from_end(shape, s.layer)
    width = shape.weight(shape.anatomy.ffn(layer)[0]).shape[1]
    count = min(load.answer, s.neurons)
    item = neurons(layer, count, width, shape.anatomy.gated)
    quiet = min(s.memory, load.cases) * load.kept
    fit = Fit(
        numbers=item.parameter_count + count,  # an amplifier for each
        moments=2, steps=s.steps, passes=(Pass(layer=layer),),
        beside=SINGLE * 6 * quiet * count,  # how loud each neuron is at each remembered question
    )  # fmt: skip
    held = SINGLE * quiet * width
    return Demand(edit=Edit((item,)), fit=fit, passes=(Pass(times=2),), held=held)


def neurons(layer: int, count: int, width: int, gated: bool) -> ExtraNeurons:
    """So many neurons on the meta device."""
    keys, bias, values = (
        torch.empty(*size, device="meta") for size in ((count, width), (count,), (count, width))
    )
    return ExtraNeurons(layer, keys, bias, values, torch.empty_like(keys) if gated else None)
