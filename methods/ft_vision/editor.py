"""Fine-tuning of the Q-Former on the request: the picture is read differently, the language model stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.ft.deltas import fine_tune
from mmedit_bench.editors import Backbone, BenchError, Edit, EditRequest, checked, settings_for

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class FTVisionSettings:
    """`part` is the trained part of the model, by module path; "bridge" stands for what turns pictures
    into tokens in the backbone at hand, a Q-Former or a projector. Training stops once the loss is
    below `threshold`."""

    lr: float = 1e-3
    steps: int = 20
    threshold: float = 0.05
    part: str = "bridge"


class FTVisionEditor:
    """Minimises the request's loss over dense deltas of all linear layers of the Q-Former."""

    name = "ft-vision"
    version = "1"
    cost_class = "gradient"

    def __init__(self, **options: Any) -> None:
        self.options = checked(FTVisionSettings, options, self.name)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """Raises `BenchError` for a request without a picture: nothing here could change its answer."""
        if request.query.image is None:
            raise BenchError(
                f"ft-vision: request {request.id} has no picture, so the vision part is not used"
            )
        settings = settings_for(FTVisionSettings, CONFIG, backbone.name, self.options)
        return fine_tune(
            backbone,
            request,
            backbone.linears(backbone.anatomy.bridge if settings.part == "bridge" else settings.part),
            lr=settings.lr,
            steps=settings.steps,
            threshold=settings.threshold,
        )
