"""Fine-tuning of the Q-Former on the request: the picture is read differently, the language model stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.ft.deltas import fine_tune
from mmedit_bench.editors import Backbone, BenchError, Edit, EditRequest, checked, option, settings_for

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class FTVisionSettings:
    """What can be set of `ft-vision`."""

    lr: float = option(1e-3, "learning rate of AdamW", above=0)
    steps: int = option(20, "most steps of an edit", low=0)
    threshold: float = option(0.05, "training stops once the loss is below it", low=0)
    part: str = option(
        "bridge",
        'the trained part of the model, by its path; "bridge": what turns pictures into tokens',
    )


class FTVisionEditor:
    """Minimises the request's loss over dense deltas of all linear layers of the Q-Former."""

    name = "ft-vision"
    version = "1"
    cost_class = "gradient"
    settings_type = FTVisionSettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(FTVisionSettings, options, self.name)

    def settings(self, backbone: Backbone) -> FTVisionSettings:
        """The options that hold for a backbone. Raises `BenchError` for a part that it lacks."""
        settings = settings_for(FTVisionSettings, CONFIG, backbone, self.options, self.name)
        try:
            backbone.linears(_path(settings.part, backbone))
        except BenchError as error:
            raise BenchError(f"ft-vision: option 'part' is {settings.part!r}; {error}") from None
        return settings

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """Raises `BenchError` for a request without a picture: nothing here could change its answer."""
        if request.query.image is None:
            raise BenchError(
                f"ft-vision: request {request.id} has no picture, so the vision part is not used"
            )
        settings = self.settings(backbone)
        return fine_tune(
            backbone,
            request,
            backbone.linears(_path(settings.part, backbone)),
            lr=settings.lr,
            steps=settings.steps,
            threshold=settings.threshold,
        )


def _path(part: str, backbone: Backbone) -> str:
    return backbone.anatomy.bridge if part == "bridge" else part
