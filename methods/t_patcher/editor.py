"""Transformer-Patcher: neurons appended to the last feed-forward layer, one per wrong token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.descent import descend
from methods.ft.deltas import layer_from_end
from methods.kept import kept_states
from methods.t_patcher.losses import activation_loss, contrast_loss, memory_loss
from mmedit_bench.editors import (
    FIRST_LAYER,
    LAST_LAYER,
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    ExtraNeurons,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class TPatcherSettings:
    """What can be set of `t-patcher`."""

    layer: int = option(
        -1, "the patched decoder layer, from 0, or from -1 at the last", low=FIRST_LAYER, high=LAST_LAYER
    )
    lr: float = option(1e-2, "learning rate of Adam", above=0)
    weight_decay: float = option(1e-2, "weight decay of the patches", low=0)
    steps: int = option(50, "most steps of an edit", low=0)
    threshold: float = option(0.05, "training stops once the loss of the answer is below it", low=0)
    amplifier: float = option(10.0, "factor of a patch's value at the begin", above=0)
    activation_weight: float = option(1.0, "weight of the loss that wakes a patch at its token", low=0)
    memory_weight: float = option(5.0, "weight of both losses that keep it quiet elsewhere", low=0)
    memory: int = option(300, "train cases whose questions must not wake a patch; 0: no such loss", low=0)
    neurons: int = option(20, "most patches of an edit", low=1)


@dataclass
class Patches:
    """n patches in training. act(q keys^T + bias) * amplifier * values; gated: times (q up_keys^T)."""

    keys: Tensor
    bias: Tensor
    values: Tensor
    amplifier: Tensor
    up_keys: Tensor | None

    @classmethod
    def at(cls, queries: Tensor, amplifier: float, gated: bool) -> Patches:
        """One patch per query [n, d]: key q / |q|^2, which gives its own query s = 1; bias 0; value 0.

        In a gated layer the up key begins as the key: the patch's output at its query is act(1) * 1.
        """
        keys = queries / queries.square().sum(-1, keepdim=True)
        made = cls(
            keys,
            torch.zeros(len(keys)).to(keys),
            torch.zeros_like(keys),
            torch.full((len(keys), 1), amplifier).to(keys),
            keys.clone() if gated else None,
        )
        for tensor in made.parameters():
            tensor.requires_grad_()
        return made

    def parameters(self) -> list[Tensor]:
        """All that is trained."""
        own = [self.keys, self.bias, self.values, self.amplifier]
        return own if self.up_keys is None else [*own, self.up_keys]

    def signal(self, queries: Tensor) -> Tensor:
        """Pre-activations s of every patch at queries [m, d]: [m, n]."""
        return queries @ self.keys.T + self.bias

    def neurons(self, layer: int) -> ExtraNeurons:
        """The patches as an intervention."""
        return ExtraNeurons(layer, self.keys, self.bias, self.amplifier * self.values, self.up_keys)


class TPatcherEditor:
    """Adds and trains a patch for each token that the backbone would get wrong."""

    name = "t-patcher"
    version = "1"
    cost_class = "gradient"
    settings_type = TPatcherSettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(TPatcherSettings, options, self.name)
        self._memory: Tensor | None = None

    def settings(self, backbone: Backbone) -> TPatcherSettings:
        """The options that hold for a backbone."""
        return settings_for(TPatcherSettings, CONFIG, backbone, self.options, self.name)

    def prepare(self, backbone: Backbone, cases: Sequence[EditCase]) -> None:
        """Remember what the patched layer reads at questions of the train split, with and without picture."""
        s = self.settings(backbone)
        self._memory = kept_states(backbone, cases[: s.memory], _reader(backbone, s))

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One set of neurons; earlier patches of a sequence stay as they are.

        Loss: l_e + activation_weight * l_a + memory_weight * (l_m1 + l_m2); stops once l_e, the mean
        loss of the answer's tokens, is below the threshold. Raises `BenchError` before `prepare`.
        """
        if self._memory is None:
            raise BenchError("t-patcher: prepare(backbone, train_cases) must be called before edit")
        s, memory = self.settings(backbone), self._memory
        queries = wrong_queries(backbone, request, _reader(backbone, s))[: s.neurons]
        if not len(queries):
            return Edit((), {"patches": "0", "steps": "0"})
        layer = layer_from_end(backbone, s.layer)
        patches = Patches.at(queries, s.amplifier, backbone.anatomy.gated)
        optimiser = torch.optim.Adam(patches.parameters(), lr=s.lr, weight_decay=s.weight_decay)
        answer_loss = float("inf")

        def loss() -> Tensor:
            nonlocal answer_loss
            edit = Edit((patches.neurons(layer),))
            total = backbone.loss([request.query], [request.target], edit)
            answer_loss = total.item()
            own = patches.signal(queries).diagonal()
            total = total + s.activation_weight * activation_loss(own)
            if len(memory) and s.memory_weight:
                quiet = patches.signal(memory)
                total = total + s.memory_weight * (memory_loss(quiet) + contrast_loss(own, quiet))
            return total

        result = descend(loss, optimiser, s.steps, done=lambda _: answer_loss < s.threshold)
        made = patches.neurons(layer)
        tensors = {name: tensor.detach().clone() for name, tensor in made.tensors().items()}
        note = result.note() | {"patches": str(len(queries)), "answer_loss": f"{answer_loss:.4f}"}
        return Edit((ExtraNeurons(layer, **tensors),), note)


def wrong_queries(backbone: Backbone, request: EditRequest, reader: str) -> Tensor:
    """What `reader` reads where the backbone would not write the target's next token: [n, d]."""
    (read,) = backbone.states([request.query], [request.target], [reader])
    (forced,) = backbone.score([request.query], [request.target])
    pairs = zip(forced.argmax_ids or (), forced.target_ids, strict=True)
    wrong = [i for i, (guess, token) in enumerate(pairs) if guess != token]
    return read[reader][wrong].float()


def _reader(backbone: Backbone, settings: TPatcherSettings) -> str:
    return backbone.anatomy.ffn(layer_from_end(backbone, settings.layer))[0]
