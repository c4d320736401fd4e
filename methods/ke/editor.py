"""KnowledgeEditor: a gradient, gated by a network that has read old answer, new answer and question."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.ke.network import KENetwork, norm_of
from methods.lessons import drift, lesson, likelihood_loss
from methods.mistakes import wrongly_answered
from mmedit_bench.editors import (
    LAYERS,
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    Training,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class KESettings:
    """What can be set of `ke`."""

    layers: int = option(3, "edited decoder layers, counted from the last", low=1, high=LAYERS)
    lstm: int = option(128, "width of the LSTM that reads the condition", low=1)
    condition: int = option(256, "width of what it has read", low=1)
    hidden: int = option(128, "width of the layer between that and the gates", low=1)
    scale: float = option(4.0, "scale of the edit", above=0)
    lr: float = option(3e-4, "learning rate of the network", above=0)
    multiplier_lr: float = option(0.1, "learning rate of the multipliers of the constraints", low=0)
    steps: int = option(2500, "steps of the training", low=0)
    kl_margin: float = option(1e-1, "margin of the drift on kept questions at the begin", low=0)
    kl_floor: float = option(1e-3, "where it ends to shrink", low=0)
    lp_margin: float = option(1e-2, "margin of the edit's norm at the begin", low=0)
    lp_floor: float = option(1e-4, "where it ends to shrink", low=0)
    anneal: float = option(0.8, "what the margins are multiplied by at each success", above=0, high=1)
    success: float = option(0.9, "share of held-out edits that must take for that", low=0, high=1)
    check_every: int = option(250, "steps from one look at the held-out edits to the next", low=1)
    held_out: int = option(24, "most train cases held out", low=0)
    near: bool = option(False, "draw the kept questions from near strata too")


class KEEditor:
    """One gradient of the request, changed into an edit by a trained network."""

    name = "ke"
    version = "1"
    cost_class = "trained"
    settings_type = KESettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(KESettings, options, self.name)
        self._network: KENetwork | None = None

    def settings(self, backbone: Backbone) -> KESettings:
        """The options that hold for a backbone."""
        return settings_for(KESettings, CONFIG, backbone, self.options, self.name)

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        return asdict(self.settings(backbone))

    def fresh(self, backbone: Backbone, seed: int) -> KENetwork:
        """An untrained network."""
        s = self.settings(backbone)
        first = backbone.layer_count - s.layers
        paths = [p for layer in range(first, backbone.layer_count) for p in backbone.anatomy.ffn(layer)]
        shapes = {path: (backbone.weight(path).shape[0], backbone.weight(path).shape[1]) for path in paths}
        width = backbone.embeddings(()).shape[1]
        return KENetwork(
            shapes, width=width, lstm=s.lstm, condition=s.condition, hidden=s.hidden, scale=s.scale,
            kl_margin=s.kl_margin, lp_margin=s.lp_margin, seed=seed,
        ).to(backbone.device)  # fmt: skip

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        """min NLL of the request and its rewordings s.t. KL on kept questions <= m_1, |dW| <= m_2.

        The Lagrangian NLL + alpha_1 (KL - m_1) + alpha_2 (|dW| - m_2) goes down in the network and up
        in the multipliers alpha >= 0. A slice of the training cases is held out to decide when the
        margins shrink.
        """
        s = self.settings(backbone)
        useful = wrongly_answered(backbone, cases)
        count = min(s.held_out, len(useful) // 2)
        held, learned = useful[:count], useful[count:]
        network = self.fresh(backbone, training.seed)
        others = [p for name, p in network.named_parameters() if name != "multipliers"]
        down = torch.optim.RMSprop(others, lr=s.lr, centered=True)
        up = torch.optim.SGD([network.multipliers], lr=s.multiplier_lr, maximize=True)
        floors = torch.tensor([s.kl_floor, s.lp_floor]).to(network.margins)

        def step(index: int, rng: random.Random) -> Mapping[str, float]:
            case, answer = rng.choice(learned)
            drawn = lesson(case, rng, s.near)
            edit = _edit(network, backbone, case.request, answer)
            queries, targets = drawn.changed
            queries, targets = [case.request.query, *queries], [case.request.target, *targets]
            logits = backbone.logits(queries, targets, edit)
            change = likelihood_loss(logits, [backbone.answer_ids(target) for target in targets])
            text, image = drift(backbone, edit, drawn)
            constraints = torch.stack([(text + image) / 2, norm_of(edit)])
            for optimiser in (down, up):
                optimiser.zero_grad()
            lagrangian(change, constraints, network.margins, network.multipliers).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(others, 1.0)
            for optimiser in (down, up):
                optimiser.step()
            with torch.no_grad():
                network.multipliers.clamp_(min=0)
            if (index + 1) % s.check_every == 0 and held:
                took = [self._took(network, backbone, case.request, own) for case, own in held]
                shrink(network.margins, floors, sum(took) / len(took), s.success, s.anneal)
            return {
                "change": change.item(),
                "kl": constraints[0].item(),
                "norm": constraints[1].item(),
                "kl_margin": network.margins[0].item(),
                "kl_multiplier": network.multipliers[0].item(),
                "norm_multiplier": network.multipliers[1].item(),
            }

        training.run(s.steps, step, module=network, optimisers=[down, up])
        return network.state_dict()

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        self._network = self.fresh(backbone, seed=0)
        self._network.load_state_dict(dict(tensors))

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """The old answer in the condition is the backbone's own. Raises `BenchError` before `load`."""
        if self._network is None:
            raise BenchError("ke: the trained network must be loaded before an edit")
        (answer,) = backbone.answer([request.query])
        with torch.no_grad():
            return _edit(self._network, backbone, request, answer)

    def _took(self, network: KENetwork, backbone: Backbone, request: EditRequest, answer: str) -> bool:
        with torch.no_grad():
            edit = _edit(network, backbone, request, answer)
        (forced,) = backbone.edited(edit).score([request.query], [request.target])
        return forced.argmax_ids == forced.target_ids


def condition_text(request: EditRequest, answer: str) -> str:
    """What the network reads: old answer, new answer, question."""
    return f"{answer} >> {request.target} || {request.query.prompt}"


def lagrangian(change: Tensor, constraints: Tensor, margins: Tensor, multipliers: Tensor) -> Tensor:
    """change + sum of alpha_i (C_i - m_i)."""
    return change + (multipliers * (constraints - margins)).sum()


def shrink(margins: Tensor, floors: Tensor, success: float, enough: float, factor: float) -> None:
    """Margins times `factor`, in place and not below the floors, if `success` is above `enough`."""
    if success > enough:
        margins.copy_(torch.maximum(margins * factor, floors))


def _edit(network: KENetwork, backbone: Backbone, request: EditRequest, answer: str) -> Edit:
    embedded = backbone.embeddings(backbone.text_ids(condition_text(request, answer)))
    _, gradients = backbone.gradients([request.query], [request.target], network.modules_edited)
    made: Edit = network(embedded, gradients)
    return made
