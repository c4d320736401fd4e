"""SERAC: an edit is remembered; a question in its scope is answered by another model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.serac.counterfactual import Counterfactual, train_counterfactual
from methods.serac.encoder import train_encoder
from methods.serac.pretrained import MODEL, OWN, SCOPE, Part, digest_of, own_tensors
from methods.serac.reader import Entry, Memory, Networks, Sizes
from methods.serac.scope import Classifier, train_scope
from methods.serac.writer import Writer, train_writer
from mmedit_bench.editors import (
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    Route,
    Shared,
    Training,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class SERACSettings:
    """What can be set of `serac`."""

    scope_encoder: str = option(
        "own", "what the scope classifier reads with: `own`, or a folder or hub id of a published encoder"
    )
    counterfactual: str = option(
        "own", "the counterfactual model: `own`, or a folder or hub id of a published language model"
    )
    image_key: bool = option(True, "whether the scope classifier sees the picture")
    scope_hidden: int = option(64, "width of the scope classifier's own reader", low=1)
    scope_code: int = option(32, "width of its own code of a question, and of that of a picture", low=1)
    scope_steps: int = option(1000, "steps of its training", low=0)
    scope_lr: float = option(1e-3, "its learning rate", above=0)
    scope_batch: int = option(16, "cases of a step", low=1)
    size: int = option(96, "width of the own counterfactual model; a multiple of `heads`", low=1)
    layers: int = option(2, "layers of the own counterfactual model", low=1)
    heads: int = option(4, "heads of its attention", low=1)
    steps: int = option(1500, "steps of the counterfactual model's training", low=0)
    lr: float = option(1e-3, "its learning rate", above=0)
    batch: int = option(24, "cases of a step", low=1)

    def __post_init__(self) -> None:
        if self.size % self.heads:
            raise BenchError(
                f"serac: option 'size' is {self.size}; it must be a multiple of heads, {self.heads}"
            )


class SERACEditor:
    """Semi-parametric editing: nothing in the base model changes, questions are routed around it."""

    name = "serac"
    version = "2"
    cost_class = "trained"
    settings_type = SERACSettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options: Mapping[str, Any] = checked(SERACSettings, options, self.name)
        self._networks: Networks | None = None

    def settings(self, backbone: Backbone) -> SERACSettings:
        """The options that hold for a backbone."""
        return settings_for(SERACSettings, CONFIG, backbone, self.options, self.name)

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        """A published part is told by its content, wherever it lies; own ones need no mention.

        Raises `BenchError` where a checkpoint is not to be had.
        """
        settings = asdict(self.settings(backbone))
        for name in (SCOPE, MODEL):
            source = settings.pop(name)
            if source not in OWN:
                settings[name] = f"sha256:{digest_of(source, name)}"
        return settings

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        """Classifier by binary cross-entropy, counterfactual model by likelihood, each by itself."""
        classifier = self._classifier(backbone, cases, training)
        model = self._model(backbone, cases, training)
        return _learned("scope", classifier) | _learned("model", model)

    def _classifier(self, backbone: Backbone, cases: Sequence[EditCase], training: Training) -> Classifier:
        s = self.settings(backbone)
        if s.scope_encoder in OWN:
            return train_scope(
                backbone, cases, training, hidden=s.scope_hidden, code=s.scope_code, image_key=s.image_key,
                steps=s.scope_steps, lr=s.scope_lr, batch=s.scope_batch,
            )  # fmt: skip
        return train_encoder(
            backbone, cases, training, source=s.scope_encoder, code=s.scope_code, image_key=s.image_key,
            steps=s.scope_steps, lr=s.scope_lr, batch=s.scope_batch,
        )  # fmt: skip

    def _model(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Counterfactual | Writer:
        s = self.settings(backbone)
        if s.counterfactual in OWN:
            return train_counterfactual(
                backbone, cases, training, size=s.size, layers=s.layers, heads=s.heads,
                steps=s.steps, lr=s.lr, batch=s.batch,
            )  # fmt: skip
        return train_writer(
            backbone, cases, training, source=s.counterfactual, steps=s.steps, lr=s.lr, batch=s.batch
        )

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        s = self.settings(backbone)
        sizes = Sizes(
            backbone.embeddings(()).shape[1], s.scope_hidden, s.scope_code, s.image_key,
            s.size, s.layers, s.heads,
        )  # fmt: skip
        held = {name: tensor.detach().to(backbone.device) for name, tensor in tensors.items()}
        self._networks = Networks(Shared(held), sizes)
        self._networks.ready(backbone)  # what does not fit is refused here, not at the first edit

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """A route of one remembered edit; those of a sequence fold into one memory.

        Questions out of scope are the base model's, with whatever other edits the sequence holds.
        Raises `BenchError` before `load`.
        """
        if self._networks is None:
            raise BenchError(f"{self.name}: the trained parts must be loaded before an edit")
        base = backbone.unedited()
        classifier, _ = self._networks.ready(base)
        with torch.no_grad():
            code = classifier.encode(base, [request.query])[0]
        entry = Entry(request.id, request.query.prompt, request.target, code)
        return Edit((Route(Memory(self._networks, (entry,)), request.id),))


def _learned(name: str, part: Classifier | Counterfactual | Writer) -> dict[str, Tensor]:
    """Tensors of a part under its name, and what a published one is built by again."""
    found = {f"{name}.{own}": tensor.detach() for own, tensor in own_tensors(part).items()}
    if isinstance(part, Part):
        found[f"{name}_blueprint"] = part.blueprint.packed()
    return found
