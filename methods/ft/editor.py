"""Fine-tuning of one feed-forward layer on the request, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.ft.deltas import fine_tune, layer_from_end
from mmedit_bench.editors import (
    FIRST_LAYER,
    LAST_LAYER,
    Backbone,
    Edit,
    EditRequest,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class FTSettings:
    """What can be set of `ft`."""

    lr: float = option(1e-3, "learning rate of AdamW", above=0)
    steps: int = option(20, "most steps of an edit", low=0)
    threshold: float = option(0.05, "training stops once the loss is below it", low=0)
    layer: int = option(
        -1, "the trained decoder layer, from 0, or from -1 at the last", low=FIRST_LAYER, high=LAST_LAYER
    )


class FTEditor:
    """Minimises the loss of the request over dense deltas of a layer's feed-forward weights."""

    name = "ft"
    version = "1"
    cost_class = "gradient"
    settings_type = FTSettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(FTSettings, options, self.name)

    def settings(self, backbone: Backbone) -> FTSettings:
        """The options that hold for a backbone."""
        return settings_for(FTSettings, CONFIG, backbone, self.options, self.name)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """Deltas of all feed-forward linears of the layer, trained with AdamW without weight decay."""
        settings = self.settings(backbone)
        modules = backbone.anatomy.ffn(layer_from_end(backbone, settings.layer))
        return fine_tune(
            backbone, request, modules, lr=settings.lr, steps=settings.steps, threshold=settings.threshold
        )
