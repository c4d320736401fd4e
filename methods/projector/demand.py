"""What fine-tuning of the projection takes."""

from __future__ import annotations

from typing import Any

from methods.ft.demand import of_deltas
from methods.projector.editor import projection
from mmedit_bench.backbones.demand import Demand, Load, Pass
from mmedit_bench.editors import MatrixDelta


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """A delta of every matrix of the projection; the gradient goes through the whole text model."""
    s, deltas = editor.settings(shape), projection(shape)
    first = deltas[0]
    part = first.reads if isinstance(first, MatrixDelta) else shape.anatomy.projector
    return of_deltas(shape, deltas, s.steps, Pass(layer=0, sight=part))
