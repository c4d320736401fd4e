"""Fine-tuning within a box: no weight moves farther than epsilon (FT-L)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.ft.deltas import fine_tune, layer_from_end
from mmedit_bench.editors import Backbone, BenchError, Edit, EditRequest, checked, settings_for

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class FTLSettings:
    """`epsilon` is the radius of the box; `layer` counts from 0, or from -1 at the last."""

    lr: float = 1e-2
    steps: int = 25
    threshold: float = 0.05
    layer: int = -1
    epsilon: float = 5e-3


class FTLEditor:
    """Projected gradient descent on the request in one feed-forward layer."""

    name = "ft-l"
    version = "1"
    cost_class = "gradient"

    def __init__(self, **options: Any) -> None:
        self.options = checked(FTLSettings, options, self.name)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """After each step every weight is clipped to its L-infinity ball around the original."""
        settings = settings_for(FTLSettings, CONFIG, backbone.name, self.options)
        radius = settings.epsilon
        if radius <= 0:
            raise BenchError(f"ft-l: option 'epsilon' is {radius}; it must be above 0")
        return fine_tune(
            backbone,
            request,
            backbone.anatomy.ffn(layer_from_end(backbone, settings.layer)),
            lr=settings.lr,
            steps=settings.steps,
            threshold=settings.threshold,
            project=lambda delta: delta.clamp_(-radius, radius),
        )
