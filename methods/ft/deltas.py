"""Fine-tuning as a value: dense weight deltas trained on the request, for any set of linear layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from methods.descent import descend
from mmedit_bench.editors import Backbone, Edit, EditRequest, WeightDelta


def fine_tune(
    backbone: Backbone,
    request: EditRequest,
    modules: Sequence[str],
    *,
    lr: float,
    steps: int,
    threshold: float,
    project: Callable[[Tensor], object] = lambda delta: None,
) -> Edit:
    """Minimise the request's loss over deltas of `modules` with AdamW, without weight decay.

    `project` is called in place on each delta after each step; training stops once the loss is
    below `threshold`.
    """
    # float32 whatever the backbone's type: small steps vanish in half precision
    deltas = {
        module: torch.zeros_like(backbone.weight(module), dtype=torch.float32).requires_grad_()
        for module in modules
    }
    trained = Edit(tuple(WeightDelta(module, delta) for module, delta in deltas.items()))
    optimiser = torch.optim.AdamW(deltas.values(), lr=lr, weight_decay=0.0)

    def project_all() -> None:
        with torch.no_grad():
            for delta in deltas.values():
                project(delta)

    result = descend(
        lambda: backbone.loss([request.query], [request.target], trained),
        optimiser,
        steps,
        done=lambda value: value < threshold,
        after=project_all,
    )
    return Edit(tuple(WeightDelta(module, delta.detach()) for module, delta in deltas.items()), result.note())


def layer_from_end(backbone: Backbone, layer: int) -> int:
    """A layer's number, counted from the end if negative; `option` has seen to it that there is one."""
    return layer + backbone.layer_count if layer < 0 else layer
