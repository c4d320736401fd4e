"""What fine-tuning by dense deltas takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from methods.ft.deltas import layer_from_end, zeros
from mmedit_bench.backbones.demand import Demand, Fit, Load, Pass
from mmedit_bench.editors import Edit, MatrixDelta, WeightDelta


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """Of `ft` and `ft-l`: a delta of every feed-forward weight of one layer."""
    s = editor.settings(shape)
    layer = layer_from_end(shape, s.layer)
    deltas = [WeightDelta(path, zeros(shape, path)) for path in shape.anatomy.ffn(layer)]
    return of_deltas(shape, deltas, s.steps, Pass(layer=layer))


def of_deltas(shape: Any, deltas: Sequence[WeightDelta | MatrixDelta], steps: int, each: Pass) -> Demand:
    """AdamW on deltas; a step reads the request once. In a narrower type, deltas are cast for it."""
    numbers = sum(item.parameter_count for item in deltas)
    cast = 2 * numbers * shape.dtype.itemsize if shape.dtype.itemsize < 4 else 0
    fit = Fit(numbers=numbers, moments=2, steps=steps, passes=(each,), beside=cast)
    return Demand(edit=Edit(tuple(deltas)), fit=fit)
