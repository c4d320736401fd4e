"""What fine-tuning of the vision part takes."""

from __future__ import annotations

from typing import Any

from methods.ft.deltas import zeros
from methods.ft.demand import of_deltas
from mmedit_bench.backbones.demand import Demand, Load, Pass
from mmedit_bench.editors import WeightDelta


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """A delta of every linear layer of the part; the gradient goes through the whole text model."""
    s = editor.settings(shape)
    part = shape.anatomy.bridge if s.part == "bridge" else s.part
    deltas = [WeightDelta(path, zeros(shape, path)) for path in shape.linears(part)]
    return of_deltas(shape, deltas, s.steps, Pass(layer=0, sight=part))
