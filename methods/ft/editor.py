"""Fine-tuning of one feed-forward layer on the request, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmedit_bench.editors import Backbone, Edit, EditRequest, WeightDelta, checked, settings_for

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class FTSettings:
    """`layer` counts from 0, or from -1 at the last; training stops once the loss is below `threshold`."""

    lr: float = 1e-3
    steps: int = 20
    threshold: float = 0.05
    layer: int = -1


class FTEditor:
    """Minimises the loss of the request over dense deltas of a layer's feed-forward weights."""

    name = "ft"
    version = "1"
    cost_class = "gradient"

    def __init__(self, **options: Any) -> None:
        self.options = checked(FTSettings, options, self.name)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """Deltas of all feed-forward linears of the layer, trained with AdamW without weight decay."""
        settings = settings_for(FTSettings, CONFIG, backbone.name, self.options)
        layer = settings.layer + backbone.layer_count if settings.layer < 0 else settings.layer
        # float32 whatever the backbone's type: small steps vanish in half precision
        deltas = {
            module: torch.zeros_like(backbone.weight(module), dtype=torch.float32).requires_grad_()
            for module in backbone.anatomy.ffn(layer)
        }
        trained = Edit(tuple(WeightDelta(module, delta) for module, delta in deltas.items()))
        optimiser = torch.optim.AdamW(deltas.values(), lr=settings.lr, weight_decay=0.0)
        taken, loss = 0, float("nan")
        for _ in range(settings.steps):
            value = backbone.loss([request.query], [request.target], trained)
            loss = value.item()
            if loss < settings.threshold:
                break
            optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            taken += 1
        note = {"steps": str(taken), "last_loss": f"{loss:.4f}"}
        return Edit(tuple(WeightDelta(module, delta.detach()) for module, delta in deltas.items()), note)
