"""UniKE: one edit is key-value pairs in the last layers and a memory of states in their attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.descent import descend
from methods.ike.editor import IKEEditor
from methods.unike.encoders import Learned, encode, train_encoders
from methods.unike.intrinsic import Pairs, pairs_at_queries, pairs_at_random
from methods.unike.settings import AsPrintedSettings, UniKESettings
from methods.unike.store import Store, own_states
from mmedit_bench.editors import (
    AttentionMemory,
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    Intervention,
    Shared,
    Training,
    checked,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


class UniKEEditor:
    """Unified multimodal knowledge editing (Pan et al., NeurIPS 2024)."""

    name = "unike"
    version = "2"
    cost_class = "trained"
    artefact_name = "unike"
    settings_type: type[UniKESettings] = UniKESettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(self.settings_type, options, self.name)
        self._learned: Learned | None = None
        self._examples: IKEEditor | None = None
        self._held: dict[str, Shared] = {}  # what all edits refer to
        self._steered: dict[tuple[str, int, str], Tensor] = {}

    def settings(self, backbone: Backbone) -> UniKESettings:
        """The options that hold for a backbone; those of `ike` where its number of examples is to hold."""
        own = settings_for(self.settings_type, self.settings_folder, backbone, self.options, self.name)
        if own.examples < 0:
            own = replace(own, examples=IKEEditor().settings(backbone).demonstrations)
        return own

    # ---- before the first edit

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        return self.settings(backbone).training()

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        """Collect the knowledge store, labelled by truth, and train the encoders on it."""
        s = self.settings(backbone)
        store = Store.collect(backbone, cases, _last(backbone, s.layers), s.store, s.quiet)
        encoders = train_encoders(
            store, training, width=s.encoder_width, steps=s.encoder_steps, lr=s.encoder_lr,
            batch=s.encoder_batch, temperature=s.temperature, anchor=s.anchor,
        )  # fmt: skip
        return Learned(store, encoders).tensors()

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        held = {name: tensor.detach().to(backbone.device) for name, tensor in tensors.items()}
        self._learned = Learned.restore(held)
        self._held, self._steered = {}, {}

    def prepare(self, backbone: Backbone, cases: Sequence[EditCase]) -> None:
        """Index demonstrations, if the external part is to be text (an ablation)."""
        s = self.settings(backbone)
        if s.external == "context":
            self._examples = IKEEditor(demonstrations=s.examples)
            self._examples.prepare(backbone, cases)

    def spaces(self) -> dict[str, dict[str, Tensor]]:
        """Codes of the store's true and false answers in both spaces of the last edited layer, [n, d].

        Raises `BenchError` before `load`.
        """
        learned = self._ready()
        layer = max(learned.store.states)
        states, own = learned.store.states[layer], learned.encoders[layer]
        sorts = {"true answers": states.right, "false answers": states.wrong}
        encoders = {"truthfulness": own.truthfulness, "semantic": own.semantic}
        with torch.no_grad():
            return {
                space: {sort: encode(weights, x) for sort, x in sorts.items()}
                for space, weights in encoders.items()
            }

    # ---- edits

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """The external part first; then the pairs are trained in the model that it shifts.

        Raises `BenchError` before `load`.
        """
        s = self.settings(backbone)
        external = self._external(backbone, request, s)
        if not s.intrinsic:
            return Edit(external, {"steps": "0"})
        shifted = backbone.edited(Edit(external))
        pairs = self._fresh_pairs(backbone, request, s)
        trained = [tensor for own in pairs for tensor in own.parameters()]
        optimiser: torch.optim.Optimizer
        if s.optimiser == "adam":
            optimiser = torch.optim.Adam(trained, lr=s.lr)
        else:
            optimiser = torch.optim.SGD(trained, lr=s.lr)
        quiet = self._ready().store.quiet if s.activation_weight or s.memory_weight else {}
        answer_loss = float("inf")

        def loss() -> Tensor:
            nonlocal answer_loss
            edit = Edit(tuple(own.neurons() for own in pairs))
            total = shifted.loss([request.query], [request.target], edit)
            answer_loss = total.item()
            for own in pairs if quiet else ():
                total = total + own.manners(quiet[own.layer], s.activation_weight, s.memory_weight)
            return total

        result = descend(loss, optimiser, s.steps, done=lambda _: answer_loss < s.threshold)
        frozen = tuple(own.frozen() for own in pairs)
        note = result.note() | {"answer_loss": f"{answer_loss:.4f}"} | _norms(pairs)
        return Edit((*external, *frozen), note)

    def _external(
        self, backbone: Backbone, request: EditRequest, s: UniKESettings
    ) -> tuple[Intervention, ...]:
        if s.external == "none":
            return ()
        if s.external == "context":
            if self._examples is None:
                raise BenchError(f"{self.name}: prepare(backbone, train_cases) must be called before edit")
            return self._examples.edit(backbone, request).interventions
        learned, layers = self._ready(), _last(backbone, s.layers)
        own = {} if s.own == "none" else own_states(backbone, request, layers, s.own)
        return tuple(self._memory(s, learned, layer, own.get(layer)) for layer in layers)

    def _memory(
        self, s: UniKESettings, learned: Learned, layer: int, own: tuple[Tensor, Tensor] | None
    ) -> AttentionMemory:
        """The request's own states as a group, and the store, which all edits share."""
        store = learned.store.states[layer]
        if own is None:
            own = store.question[:0], store.right[:0]
        gate = "similarity" if s.gate == "dynamic" else s.gate
        bank = self._share(f"store.{layer}", {"index": store.question, "states": store.right})
        encoder = {f"{number:02}": t for number, t in enumerate(learned.encoders[layer].semantic)}
        return AttentionMemory(
            layer, *own, s.top_k, gate,
            weight=s.weight if gate == "fixed" else 0.0,
            groups=(len(own[0]),) if len(own[0]) else (),
            on_input=s.on_input and gate == "similarity",
            space=s.space,
            floor=s.floor if gate == "similarity" else 0.0,
            encoder=self._share(f"encoder.{layer}", encoder) if gate == "similarity" else (),
            banks=(bank,) if s.top_k else (),
        )  # fmt: skip

    def _share(self, name: str, tensors: Mapping[str, Tensor]) -> Shared:
        """One object for all edits, so that its digest is computed once."""
        return self._held.setdefault(name, Shared(tensors))

    def _fresh_pairs(self, backbone: Backbone, request: EditRequest, s: UniKESettings) -> list[Pairs]:
        layers, gated = _last(backbone, s.layers), backbone.anatomy.gated
        readers = {layer: backbone.anatomy.ffn(layer)[0] for layer in layers}
        made = []
        if s.init == "query":
            (read,) = backbone.states([request.query], [request.target], list(readers.values()))
            made = [pairs_at_queries(layer, read[path], s.pairs, gated) for layer, path in readers.items()]
        else:
            generator = torch.Generator().manual_seed(0)  # the same begin for every edit
            width = backbone.weight(readers[layers[0]]).shape[1]
            made = [
                pairs_at_random(layer, width, s.pairs, gated, generator, backbone.device) for layer in layers
            ]
        if s.zeta == "none":
            return made
        learned = self._ready()
        return [
            Pairs(p.layer, p.keys.detach(), p.bias.detach(), p.values.detach(),
                  None if p.up_keys is None else p.up_keys.detach(), self._steering(learned, p.layer, s.zeta),
                  s.beta, p.own, self._back(learned, p.layer, s.zeta) if s.w_zeta == "store" else None)
            for p in made
        ]  # fmt: skip

    @torch.no_grad()
    def _steering(self, learned: Learned, layer: int, space: str) -> Tensor:
        """zeta of a layer, which all edits have in common."""
        name = ("zeta", layer, space)
        if name not in self._steered:
            self._steered[name] = learned.encoders[layer].zeta(learned.store.states[layer], space)
        return self._steered[name]

    @torch.no_grad()
    def _back(self, learned: Learned, layer: int, space: str) -> Tensor:
        """W_zeta of a layer as the store gives it, likewise."""
        name = ("back", layer, space)
        if name not in self._steered:
            self._steered[name] = learned.encoders[layer].back(learned.store.states[layer], space)
        return self._steered[name]

    def _ready(self) -> Learned:
        if self._learned is None:
            raise BenchError(f"{self.name}: what was learned must be loaded before it can be used")
        return self._learned


class UniKEAsPrintedEditor(UniKEEditor):
    """UniKE with every open question answered as the formulas are printed."""

    name = "unike-as-printed"
    settings_type = AsPrintedSettings
    settings_folder = CONFIG / "as-printed"


def _last(backbone: Backbone, count: int) -> list[int]:
    return list(range(backbone.layer_count - count, backbone.layer_count))


def _norms(pairs: Sequence[Pairs]) -> dict[str, str]:
    """How large the two parts of the values became, as evidence of what carries the edit."""
    values = torch.stack([own.values.detach().norm(dim=-1).mean() for own in pairs]).mean()
    shifts = [shift.detach().norm() for own in pairs if (shift := own.shift) is not None]
    zeta = torch.stack(shifts).mean().item() if shifts else 0.0
    return {"values_norm": f"{values:.4f}", "zeta_norm": f"{zeta:.4f}"}
