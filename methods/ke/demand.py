"""What the gated gradient of KnowledgeEditor takes."""

from __future__ import annotations

from typing import Any

import torch

from mmedit_bench.backbones.demand import SINGLE, Demand, Fit, Load, Pass, numbers_of
from mmedit_bench.editors import Edit, WeightDelta


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """Dense deltas made by a trained network, RMSprop with two moments.

    A step of its training holds, of each edited matrix, the gradient, the gate, their sum, the delta,
    its magnitude for the norm, and the gradient on the way back; of the largest one three more.
    """
    s = editor.settings(shape)
    first = shape.layer_count - s.layers
    paths = [path for layer in range(first, shape.layer_count) for path in shape.anatomy.ffn(layer)]
    deltas = [WeightDelta(path, torch.empty(shape.weight(path).shape, device="meta")) for path in paths]
    numbers, held = numbers_of(lambda: editor.fresh(shape, 0))
    sizes = [item.delta.numel() for item in deltas]
    narrow = shape.dtype.itemsize if shape.dtype.itemsize < SINGLE else 0  # deltas are cast to be read
    training = Fit(
        numbers=numbers, moments=2, steps=s.steps,
        passes=(
            Pass(layer=first), Pass(rows=3, layer=first), Pass(rows=2), Pass(rows=2, layer=first),
        ),
        beside=SINGLE * (6 * sum(sizes) + 3 * max(sizes)) + 2 * narrow * sum(sizes),
    )  # fmt: skip
    return Demand(
        edit=Edit(tuple(deltas)), learned=(training,), held=held, passes=(Pass(), Pass(layer=first)),
        making=SINGLE * (sum(sizes) + 4 * max(sizes)),
    )  # fmt: skip
