"""SERAC: an edit is remembered; a question in its scope is answered by another model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.serac.counterfactual import Counterfactual, train_counterfactual
from methods.serac.scope import ScopeClassifier, likeness, train_scope
from mmedit_bench.editors import (
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    Query,
    Route,
    Training,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"
THRESHOLD = 0.5


@dataclass(frozen=True)
class SERACSettings:
    """What can be set of `serac`."""

    image_key: bool = option(True, "whether the scope classifier sees the picture")
    scope_hidden: int = option(64, "width of the scope classifier's reader", low=1)
    scope_code: int = option(32, "width of its code of a question", low=1)
    scope_steps: int = option(1000, "steps of its training", low=0)
    scope_lr: float = option(1e-3, "its learning rate", above=0)
    scope_batch: int = option(16, "cases of a step", low=1)
    size: int = option(96, "width of the counterfactual model; a multiple of `heads`", low=1)
    layers: int = option(2, "layers of the counterfactual model", low=1)
    heads: int = option(4, "heads of its attention", low=1)
    steps: int = option(1500, "steps of the counterfactual model's training", low=0)
    lr: float = option(1e-3, "its learning rate", above=0)
    batch: int = option(24, "cases of a step", low=1)

    def __post_init__(self) -> None:
        if self.size % self.heads:
            raise BenchError(
                f"serac: option 'size' is {self.size}; it must be a multiple of heads, {self.heads}"
            )


@dataclass(frozen=True, eq=False)
class Entry:
    """One remembered edit and the code of its question."""

    request: EditRequest
    code: Tensor


@dataclass(frozen=True, eq=False)
class Memory:
    """Scope and answerer of a route: the edits so far, the classifier and the counterfactual model."""

    backbone: Backbone
    classifier: ScopeClassifier
    model: Counterfactual
    entries: tuple[Entry, ...]

    def __call__(self, query: Query) -> bool:
        """True if the query is more likely than not in the scope of an edit."""
        return self.nearest(query) is not None

    @torch.no_grad()
    def nearest(self, query: Query) -> Entry | None:
        """The entry most like the query if its likeness is above one half, else None."""
        code = self.classifier.encode(self.backbone, [query])
        similar = likeness(torch.stack([entry.code for entry in self.entries]), code)
        best = int(similar.argmax())
        return self.entries[best] if similar[best] > THRESHOLD else None

    def answer(self, queries: Sequence[Query]) -> list[str]:
        """The counterfactual model's answers, each from the nearest edit."""
        answers = []
        for query in queries:
            entry = self.nearest(query)
            if entry is None:
                answers.extend(self.backbone.answer([query]))
            else:
                answers.append(self.model.answer(self.backbone, entry.request, query))
        return answers

    @property
    def nbytes(self) -> int:
        """Bytes of the entries; the two models are shared by all edits."""
        texts = (entry.request.query.prompt + entry.request.target for entry in self.entries)
        return sum(len(text.encode()) for text in texts) + sum(entry.code.nbytes for entry in self.entries)


class SERACEditor:
    """Semi-parametric editing: nothing in the base model changes, questions are routed around it."""

    name = "serac"
    version = "1"
    cost_class = "trained"
    settings_type = SERACSettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options: Mapping[str, Any] = checked(SERACSettings, options, self.name)
        self._parts: tuple[ScopeClassifier, Counterfactual] | None = None

    def settings(self, backbone: Backbone) -> SERACSettings:
        """The options that hold for a backbone."""
        return settings_for(SERACSettings, CONFIG, backbone, self.options, self.name)

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        return asdict(self.settings(backbone))

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        """Classifier by binary cross-entropy, counterfactual model by likelihood, each by itself."""
        s = self.settings(backbone)
        classifier = train_scope(
            backbone, cases, training, hidden=s.scope_hidden, code=s.scope_code, image_key=s.image_key,
            steps=s.scope_steps, lr=s.scope_lr, batch=s.scope_batch,
        )  # fmt: skip
        model = train_counterfactual(
            backbone, cases, training, size=s.size, layers=s.layers, heads=s.heads,
            steps=s.steps, lr=s.lr, batch=s.batch,
        )  # fmt: skip
        own = {f"scope.{name}": tensor for name, tensor in classifier.state_dict().items()}
        return own | {f"model.{name}": tensor for name, tensor in model.state_dict().items()}

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        s, width = self.settings(backbone), backbone.embeddings(()).shape[1]
        classifier = ScopeClassifier(width, s.scope_hidden, s.scope_code, s.image_key)
        model = Counterfactual(width, s.size, s.layers, s.heads)
        for part, start in ((classifier, "scope."), (model, "model.")):
            part.load_state_dict(
                {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
            )
            part.to(backbone.device).eval().requires_grad_(False)
        self._parts = classifier, model

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """A route that knows this request and all that were remembered before it in the sequence.

        Questions out of scope are the base model's, with whatever other edits the sequence holds.
        Raises `BenchError` before `load`.
        """
        if self._parts is None:
            raise BenchError(f"{self.name}: the trained parts must be loaded before an edit")
        classifier, model = self._parts
        base = backbone.unedited()
        with torch.no_grad():
            code = classifier.encode(base, [request.query])[0]
        # a newer edit of the same request takes the older one's place
        earlier = tuple(old for old in remembered(backbone) if old.request.id != request.id)
        memory = Memory(base, classifier, model, (*earlier, Entry(request, code)))
        return Edit((Route(memory, memory),), {"remembered": str(len(memory.entries))})


def remembered(backbone: Backbone) -> tuple[Entry, ...]:
    """What the latest route of this editor in the sequence remembers."""
    for edit in reversed(backbone.edits):
        for item in edit.interventions:
            if isinstance(item, Route) and isinstance(item.answerer, Memory):
                return item.answerer.entries
    return ()
