"""Fine-tuning of the projection on the request: what is seen is said to the language model otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.ft.deltas import fine_tune_deltas, zeros
from mmedit_bench.editors import (
    Backbone,
    BenchError,
    Edit,
    EditRequest,
    MatrixDelta,
    WeightDelta,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class ProjectorSettings:
    """What can be set of `projector`."""

    lr: float = option(1e-3, "learning rate of AdamW", above=0)
    steps: int = option(20, "most steps of an edit", low=0)
    threshold: float = option(0.05, "training stops once the loss is below it", low=0)


class ProjectorEditor:
    """Minimises the request's loss over dense deltas of what takes visual tokens to the text model."""

    name = "projector"
    version = "1"
    cost_class = "gradient"
    settings_type = ProjectorSettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(ProjectorSettings, options, self.name)

    def settings(self, backbone: Backbone) -> ProjectorSettings:
        """The options that hold for a backbone. Raises `BenchError` if it has no projection apart."""
        if backbone.anatomy.projector is None:
            raise BenchError(
                f"projector: backbone {backbone.name} ({backbone.anatomy.name}) has no projection of its own "
                "between vision and language; name it in mmedit_bench/backbones/anatomy.py, or use ft-vision"
            )
        return settings_for(ProjectorSettings, CONFIG, backbone, self.options, self.name)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """Raises `BenchError` for a request without a picture: nothing here could change its answer."""
        if request.query.image is None:
            raise BenchError(f"projector: request {request.id} has no picture, so the projection is not used")
        settings = self.settings(backbone)
        return fine_tune_deltas(
            backbone,
            request,
            projection(backbone),
            lr=settings.lr,
            steps=settings.steps,
            threshold=settings.threshold,
        )


def projection(backbone: Backbone) -> Sequence[WeightDelta | MatrixDelta]:
    """Deltas of zero for every matrix of the projection."""
    path, read = backbone.anatomy.projector, backbone.anatomy.projected
    assert path is not None
    if read is not None:
        return [MatrixDelta(path, read, zeros(backbone, path))]
    return [WeightDelta(module, zeros(backbone, module)) for module in backbone.linears(path)]
