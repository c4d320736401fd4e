"""What a transformed gradient takes."""

from __future__ import annotations

from typing import Any

import torch

from mmedit_bench.backbones.demand import Demand, Fit, Load, Pass, numbers_of
from mmedit_bench.editors import Edit, LowRankDelta


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """A low-rank delta for each feed-forward linear of the last layers, by a trained network.

    Its rank is the number of tokens with a gradient: those of the answer in the last layer, where
    nothing else is read of the others, and all but the last below it.
    """
    s = editor.settings(shape)
    first, items = shape.layer_count - s.layers, []
    for layer in range(first, shape.layer_count):
        rank = load.answer if layer == shape.layer_count - 1 else load.tokens - 1
        for path in shape.anatomy.ffn(layer):
            out, into = shape.weight(path).shape
            left, right = (torch.empty(size, device="meta") for size in ((out, rank), (rank, into)))
            items.append(LowRankDelta(path, left, right))
    numbers, held = numbers_of(lambda: editor.fresh(shape, 0))
    edit = Edit(tuple(items))
    # inputs and gradients of every edited layer, and what the two layers of the network make of them
    graph = 12 * edit.nbytes
    training = Fit(
        numbers=numbers, moments=2, steps=s.steps, beside=graph,
        # each token passes half of its shape's numbers, and as many modules share them
        products=s.accumulate * (load.tokens - 1) * numbers * len(items) // 2,
        passes=(
            Pass(layer=first, times=s.accumulate), Pass(rows=2, layer=first, times=s.accumulate),
            Pass(rows=2, times=s.accumulate), Pass(rows=2, layer=first, times=s.accumulate),
        ),
    )  # fmt: skip
    return Demand(edit=edit, learned=(training,), held=held, passes=(Pass(layer=first),), making=graph)
