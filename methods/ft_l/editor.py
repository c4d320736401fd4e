"""Fine-tuning within a box: no weight moves farther than epsilon (FT-L)."""

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
class FTLSettings:
    """What can be set of `ft-l`."""

    lr: float = option(1e-2, "learning rate of AdamW", above=0)
    steps: int = option(25, "most steps of an edit", low=0)
    threshold: float = option(0.05, "training stops once the loss is below it", low=0)
    layer: int = option(
        -1, "the trained decoder layer, from 0, or from -1 at the last", low=FIRST_LAYER, high=LAST_LAYER
    )
    epsilon: float = option(5e-3, "farthest that any weight may move", above=0)


class FTLEditor:
    """Projected gradient descent on the request in one feed-forward layer."""

    name = "ft-l"
    version = "1"
    cost_class = "gradient"
    settings_type = FTLSettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(FTLSettings, options, self.name)

    def settings(self, backbone: Backbone) -> FTLSettings:
        """The options that hold for a backbone."""
        return settings_for(FTLSettings, CONFIG, backbone, self.options, self.name)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """After each step every weight is clipped to its L-infinity ball around the original."""
        settings = self.settings(backbone)
        radius = settings.epsilon
        return fine_tune(
            backbone,
            request,
            backbone.anatomy.ffn(layer_from_end(backbone, settings.layer)),
            lr=settings.lr,
            steps=settings.steps,
            threshold=settings.threshold,
            project=lambda delta: delta.clamp_(-radius, radius),
        )
