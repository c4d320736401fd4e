"""WISE: edits live in a side memory, a second copy of one feed-forward weight, and a router reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from methods.descent import descend
from methods.ft.deltas import layer_from_end
from methods.kept import kept_states
from methods.wise.losses import routing_loss
from mmedit_bench.editors import (
    FIRST_LAYER,
    LAST_LAYER,
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    SideMemory,
    WeightDelta,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class WISESettings:
    """What can be set of `wise`."""

    layer: int = option(
        -1, "the decoder layer with a side memory, from 0, or from -1 at the last",
        low=FIRST_LAYER, high=LAST_LAYER,
    )  # fmt: skip
    lr: float = option(1.0, "learning rate of SGD", above=0)
    steps: int = option(70, "most steps of an edit", low=0)
    threshold: float = option(0.01, "training stops once the whole loss is below it", low=0)
    norm: float = option(1.0, "largest change of any number of the weight", above=0)
    mask: float = option(0.2, "share of the weight that a shard may change", above=0, high=1)
    alpha: float = option(5.0, "activation that questions to be kept should stay below", low=0)
    beta: float = option(20.0, "activation that the edit should reach", low=0)
    gamma: float = option(10.0, "distance between the two", low=0)
    routing_weight: float = option(1.0, "weight of the loss that tells the edit from the rest", low=0)
    ratio: float = option(0.88, "share of the smallest activation of an edit that wakes", low=0, high=1)
    kept: int = option(60, "train cases whose locality questions are kept quiet; 0: none", low=0)
    edits_per_shard: int = option(500, "edits that share one random part of the weight", low=1)
    shards_per_memory: int = option(
        0, "shards that are joined into one side memory; 0: all (WISE-Merge), else WISE-Retrieve", low=0
    )
    density: float = option(0.53, "share of a shard's numbers that joining keeps", above=0, high=1)


class WISEEditor:
    """Trains the edit's part of a side memory, and what wakes it."""

    name = "wise"
    version = "1"
    cost_class = "gradient"
    settings_type = WISESettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(WISESettings, options, self.name)
        self._kept: Tensor | None = None

    def settings(self, backbone: Backbone) -> WISESettings:
        """The options that hold for a backbone."""
        return settings_for(WISESettings, CONFIG, backbone, self.options, self.name)

    def prepare(self, backbone: Backbone, cases: Sequence[EditCase]) -> None:
        """Remember what the layer's writing weight reads at questions of the train split."""
        s = self.settings(backbone)
        self._kept = kept_states(backbone, cases[: s.kept], writer(backbone, s))

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One delta of the current shard. Raises `BenchError` before `prepare`.

        The loss is that of the answer with the side memory read everywhere, and the routing loss. The
        shard is the next one after every `edits_per_shard` edits carried; those of the same shard are
        gone on from, those of others are not seen.
        """
        if self._kept is None:
            raise BenchError("wise: prepare(backbone, train_cases) must be called before edit")
        s, kept = self.settings(backbone), self._kept
        module = writer(backbone, s)
        side, others = _carried(backbone, module)
        shard = len(side) // s.edits_per_shard
        weight = backbone.weight(module)
        before = torch.zeros_like(weight, dtype=torch.float32)
        for item in side:
            if item.shards == (shard,):
                before += item.deltas[0]
        base = backbone.unedited().edited(*others)
        (read,) = base.states([request.query], [request.target], [module])
        inside = read[module].float()
        open_ = mask(shard, tuple(weight.shape), s.mask).to(weight.device)
        change = torch.zeros_like(before).requires_grad_()

        def loss() -> Tensor:
            delta = before + open_ * change
            answer = base.loss([request.query], [request.target], Edit((WeightDelta(module, delta),)))
            awake, quiet = (linear(x, delta).norm(dim=-1) for x in (inside, kept))
            return answer + s.routing_weight * routing_loss(awake, quiet, s.alpha, s.beta, s.gamma)

        def within() -> None:
            with torch.no_grad():
                change.copy_((before + change).clamp(-s.norm, s.norm) - before)

        result = descend(
            loss, torch.optim.SGD([change], lr=s.lr), s.steps,
            done=lambda value: value < s.threshold, after=within,
        )  # fmt: skip
        own = (open_ * change).detach()
        least = linear(inside, before + own).norm(dim=-1).min().item()
        memory = SideMemory(
            module, own[None], (shard,), (least,), s.ratio, s.density, s.shards_per_memory
        )  # fmt: skip
        return Edit((memory,), result.note() | {"shard": str(shard), "activation": f"{least:.4f}"})


def writer(backbone: Backbone, settings: WISESettings) -> str:
    """Path of the layer's writing linear, W_v of the paper."""
    return backbone.anatomy.ffn(layer_from_end(backbone, settings.layer))[-1]


def mask(shard: int, shape: tuple[int, ...], share: float) -> Tensor:
    """Which numbers of the weight a shard may change: 1 for each with chance `share`, else 0."""
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(shard))
    return (drawn < share).float()


def _carried(backbone: Backbone, module: str) -> tuple[list[SideMemory], list[Edit]]:
    """Side memories of the module among the carried edits, and the edits that are something else."""
    side: list[SideMemory] = []
    others: list[Edit] = []
    for edit in backbone.edits:
        own = [item for item in edit.interventions if isinstance(item, SideMemory) and item.module == module]
        side += own
        if not own:
            others.append(edit)
    return side, others
