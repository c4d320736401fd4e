"""MEND: one forward and backward pass, and a learned map from its gradient to the edit."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.lessons import drift, lesson, likelihood_loss
from methods.mend.network import MENDNetwork
from methods.mistakes import wrongly_answered
from mmedit_bench.editors import (
    LAYERS,
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    LowRankDelta,
    Training,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class MENDSettings:
    """What can be set of `mend`."""

    layers: int = option(3, "edited decoder layers, counted from the last", low=1, high=LAYERS)
    rank: int = option(128, "rank of the networks' layers", low=1)
    lr: float = option(1e-3, "learning rate of the networks", above=0)
    edit_lr: float = option(1e-3, "where the learned step sizes of an edit begin", above=0)
    step_lr: float = option(1e-4, "learning rate of these step sizes", low=0)
    change: float = option(0.1, "weight of the loss on the rewording, and on the other picture", low=0)
    keep: float = option(1.0, "weight of the loss on text locality, and on image locality", low=0)
    clip: float = option(100.0, "largest norm of a gradient", above=0)
    steps: int = option(3000, "steps of the training", low=0)
    accumulate: int = option(1, "cases of a step", low=1)
    near: bool = option(False, "draw the kept questions from near strata too")


class MENDEditor:
    """Edits the feed-forward linears of the last layers by transformed gradients."""

    name = "mend"
    version = "2"
    cost_class = "trained"
    settings_type = MENDSettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(MENDSettings, options, self.name)
        self._network: MENDNetwork | None = None

    def settings(self, backbone: Backbone) -> MENDSettings:
        """The options that hold for a backbone."""
        return settings_for(MENDSettings, CONFIG, backbone, self.options, self.name)

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        return asdict(self.settings(backbone))

    def fresh(self, backbone: Backbone, seed: int) -> MENDNetwork:
        """An untrained network: an edit by it is one plain gradient step of size `edit_lr`."""
        s = self.settings(backbone)
        paths = [
            path
            for layer in range(backbone.layer_count - s.layers, backbone.layer_count)
            for path in backbone.anatomy.ffn(layer)
        ]
        shapes = {path: (backbone.weight(path).shape[1], backbone.weight(path).shape[0]) for path in paths}
        return MENDNetwork(shapes, rank=s.rank, edit_lr=s.edit_lr, seed=seed).to(backbone.device)

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        """change * NLL(reworded) + change * NLL(other picture) + keep * (KL text + KL image).

        The gradient handed to the network is a constant of the frozen backbone, so the meta-gradient
        runs through the edited forward pass only; no second derivative is left out.
        """
        s = self.settings(backbone)
        useful = [case for case, _ in wrongly_answered(backbone, cases)]
        network = self.fresh(backbone, training.seed)
        others = [p for name, p in network.named_parameters() if name != "steps"]
        optimiser = torch.optim.Adam(
            [{"params": others, "lr": s.lr}, {"params": [network.steps], "lr": s.step_lr}]
        )

        def losses(rng: random.Random) -> dict[str, Tensor]:
            drawn = lesson(rng.choice(useful), rng, s.near)
            request = drawn.case.request
            _, gradients = backbone.gradients([request.query], [request.target], network.modules_edited)
            network.see(gradients)
            edit = network(gradients)
            queries, targets = drawn.changed
            logits = backbone.logits(queries, targets, edit)
            reworded, redrawn = (
                likelihood_loss([own], [backbone.answer_ids(target)])
                for own, target in zip(logits, targets, strict=True)
            )
            text, image = drift(backbone, edit, drawn)
            return {"reworded": reworded, "redrawn": redrawn, "text": text, "image": image}

        def step(index: int, rng: random.Random) -> Mapping[str, float]:
            optimiser.zero_grad()
            sums: dict[str, float] = {}
            for _ in range(s.accumulate):
                found = losses(rng)
                change, keep = found["reworded"] + found["redrawn"], found["text"] + found["image"]
                total = (s.change * change + s.keep * keep) / s.accumulate
                total.backward()  # type: ignore[no-untyped-call]
                for name, value in found.items():
                    sums[name] = sums.get(name, 0.0) + value.item() / s.accumulate
            torch.nn.utils.clip_grad_norm_(network.parameters(), s.clip)
            optimiser.step()
            return sums

        training.run(s.steps, step, module=network, optimisers=[optimiser])
        return network.state_dict()

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        self._network = self.fresh(backbone, seed=0)
        self._network.load_state_dict(dict(tensors))

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """In a sequence, the gradient is that of the model as edited so far. Raises before `load`."""
        if self._network is None:
            raise BenchError("mend: the trained network must be loaded before an edit")
        _, gradients = backbone.gradients([request.query], [request.target], self._network.modules_edited)
        with torch.no_grad():
            made = self._network(gradients)
        deltas = [item for item in made.interventions if isinstance(item, LowRankDelta)]
        return Edit(tuple(LowRankDelta(d.module, d.left.contiguous(), d.right.contiguous()) for d in deltas))
