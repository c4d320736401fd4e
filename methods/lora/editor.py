"""Low-rank adapters beside chosen linear layers, trained on the request."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.descent import descend
from mmedit_bench.editors import (
    LAYERS,
    Backbone,
    Edit,
    EditRequest,
    LowRankDelta,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"
MODULES = ("qv", "attention", "ffn", "all")


@dataclass(frozen=True)
class LoRASettings:
    """What can be set of `lora`."""

    rank: int = option(8, "rank of an adapter", low=1)
    alpha: float = option(32.0, "an adapter is scaled by alpha / rank", above=0)
    modules: str = option("qv", "which linears of a layer get one", choices=MODULES)
    layers: int = option(32, "adapted layers, counted from the last", low=1, high=LAYERS)
    lr: float = option(5e-3, "learning rate of Adam", above=0)
    steps: int = option(70, "most steps of an edit", low=0)
    threshold: float = option(0.05, "training stops once the loss is below it", low=0)


@dataclass
class Adapter:
    """W' = W + scale * up @ down, with up [out, r] and down [r, in]."""

    module: str
    up: Tensor
    down: Tensor
    scale: float

    @classmethod
    def of(cls, backbone: Backbone, module: str, rank: int, scale: float, rng: torch.Generator) -> Adapter:
        """An adapter that changes nothing: `up` is zero, `down` uniform in +-1 / sqrt(in)."""
        weight = backbone.weight(module)
        # float32 whatever the backbone's type: small steps vanish in half precision
        up = torch.zeros(len(weight), rank, device=weight.device)
        drawn = torch.rand(rank, weight.shape[1], generator=rng).to(weight.device)
        down = (2 * drawn - 1) / weight.shape[1] ** 0.5
        return cls(module, up.requires_grad_(), down.requires_grad_(), scale)

    def delta(self) -> LowRankDelta:
        """The adapter as an intervention."""
        return LowRankDelta(self.module, self.scale * self.up, self.down)


class LoRAEditor:
    """Minimises the request's loss over low-rank adapters; everything else is frozen."""

    name = "lora"
    version = "1"
    cost_class = "gradient"
    settings_type = LoRASettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(LoRASettings, options, self.name)

    def settings(self, backbone: Backbone) -> LoRASettings:
        """The options that hold for a backbone."""
        return settings_for(LoRASettings, CONFIG, backbone, self.options, self.name)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One new adapter per linear; those of earlier edits stay as they are, and are trained upon."""
        s = self.settings(backbone)
        generator = torch.Generator().manual_seed(seed_of(request))
        adapters = [
            Adapter.of(backbone, module, s.rank, s.alpha / s.rank, generator)
            for module in adapted(backbone, s.modules, s.layers)
        ]
        optimiser = torch.optim.Adam([own for each in adapters for own in (each.up, each.down)], lr=s.lr)

        def loss() -> Tensor:
            trial = Edit(tuple(adapter.delta() for adapter in adapters))
            return backbone.loss([request.query], [request.target], trial)

        result = descend(loss, optimiser, s.steps, done=lambda value: value < s.threshold)
        made = (adapter.delta() for adapter in adapters)
        return Edit(
            tuple(LowRankDelta(each.module, each.left.detach(), each.right.detach()) for each in made),
            result.note(),
        )


def adapted(backbone: Backbone, modules: str, layers: int) -> list[str]:
    """Paths of the adapted linears, layer by layer."""
    anatomy, found = backbone.anatomy, list[str]()
    for layer in range(backbone.layer_count - layers, backbone.layer_count):
        attention = [f"{anatomy.attention(layer)}.{name}" for name in anatomy.attention_linears]
        chosen = {"qv": [attention[0], attention[2]], "attention": attention, "ffn": [], "all": attention}
        found += chosen[modules]
        found += anatomy.ffn(layer) if modules in ("ffn", "all") else ()
    return found


def seed_of(request: EditRequest) -> int:
    """A seed from what the request says: an edit is the same in any run, and two edits begin apart."""
    picture = request.query.image.digest if request.query.image else ""
    said = "\0".join((request.query.prompt, picture, request.target))
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:7], "big")
