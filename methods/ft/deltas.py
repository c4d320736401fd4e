"""Fine-tuning as a value: dense weight deltas trained on the request, for any set of linear layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from methods.descent import descend
from mmedit_bench.editors import Backbone, Edit, EditRequest, MatrixDelta, WeightDelta


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
    begun = [WeightDelta(module, zeros(backbone, module)) for module in modules]
    return fine_tune_deltas(
        backbone, request, begun, lr=lr, steps=steps, threshold=threshold, project=project
    )


def fine_tune_deltas(
    backbone: Backbone,
    request: EditRequest,
    begun: Sequence[WeightDelta | MatrixDelta],
    *,
    lr: float,
    steps: int,
    threshold: float,
    project: Callable[[Tensor], object] = lambda delta: None,
) -> Edit:
    """What `fine_tune` does, from deltas of any matrices as they are given."""
    trained = [replace(item, delta=item.delta.clone().requires_grad_()) for item in begun]
    optimiser = torch.optim.AdamW([item.delta for item in trained], lr=lr, weight_decay=0.0)

    def project_all() -> None:
        with torch.no_grad():
            for item in trained:
                project(item.delta)

    result = descend(
        lambda: backbone.loss([request.query], [request.target], Edit(tuple(trained))),
        optimiser,
        steps,
        done=lambda value: value < threshold,
        after=project_all,
    )
    return Edit(tuple(replace(item, delta=item.delta.detach()) for item in trained), result.note())


def zeros(backbone: Backbone, path: str) -> Tensor:
    """A delta that changes nothing, for the weight or parameter at a path.

    float32 whatever the backbone's type: small steps vanish in half precision.
    """
    return torch.zeros_like(backbone.weight(path), dtype=torch.float32)


def layer_from_end(backbone: Backbone, layer: int) -> int:
    """A layer's number, counted from the end if negative; `option` has seen to it that there is one."""
    return layer + backbone.layer_count if layer < 0 else layer
