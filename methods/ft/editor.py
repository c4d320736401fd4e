"""Fine-tuning of one feed-forward layer on the request, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.ft.deltas import fine_tune, layer_from_end
from mmedit_bench.editors import Backbone, Edit, EditRequest, checked, settings_for

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
        modules = backbone.anatomy.ffn(layer_from_end(backbone, settings.layer))
        return fine_tune(
            backbone, request, modules, lr=settings.lr, steps=settings.steps, threshold=settings.threshold
        )
