"""How each mini backbone is made: everything that its training depends on beside the data."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmedit_bench.backbones.training.language import Mixture
from mmedit_bench.backbones.training.model import Sizes
from mmedit_bench.backbones.training.stage import Schedule

STAGES = ("vision-tower", "vision-qformer", "text", "joint")


@dataclass(frozen=True)
class Recipe:
    """One backbone. `family` is its text model's: "opt" or "llama"."""

    family: str
    sizes: Sizes = field(default_factory=Sizes)
    seed: int = 11
    tower: Schedule = field(default_factory=lambda: Schedule(3000, 96))
    qformer: Schedule = field(default_factory=lambda: Schedule(1500, 96, muon_lr=0.015, warmup=40))
    text_mixture: Mixture = field(default_factory=lambda: Mixture(0, 40, 0, 24, 0, 2, 10, 0.4))
    text: Schedule = field(default_factory=lambda: Schedule(2400, 64))
    joint_mixture: Mixture = field(default_factory=lambda: Mixture(48, 8, 12, 6, 18, 4, 10, 0.3))
    joint: Schedule = field(default_factory=lambda: Schedule(2400, 92, adam_lr=1.5e-3, muon_lr=0.015))
    views: int = 16
    """Distorted views of each drawing that the text model gets to see."""


RECIPES = {"blip2-opt-mini": Recipe("opt"), "minigpt4-mini": Recipe("llama")}
