"""The MMEdit port of SERAC, kept for comparison; its card says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.serac.counterfactual import Counterfactual
from methods.serac.scope import ScopeClassifier, likeness
from methods.serac_legacy.mixture import Joint, memory_query, train_jointly
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


@dataclass(frozen=True)
class SERACLegacySettings:
    """What can be set of `serac-legacy`."""

    scope_hidden: int = option(64, "width of the scope classifier's reader", low=1)
    scope_code: int = option(32, "width of its code of a text", low=1)
    size: int = option(96, "width of the counterfactual model; a multiple of `heads`", low=1)
    layers: int = option(2, "layers of the counterfactual model", low=1)
    heads: int = option(4, "heads of its attention", low=1)
    steps: int = option(1200, "steps of the training of both parts", low=0)
    lr: float = option(1e-3, "learning rate of both parts", above=0)
    batch: int = option(4, "cases of a step", low=1)

    def __post_init__(self) -> None:
        if self.size % self.heads:
            raise BenchError(
                f"serac-legacy: option 'size' is {self.size}; it must be a multiple of heads, {self.heads}"
            )


@dataclass(frozen=True, eq=False)
class Port:
    """Scope and answerer of a route: one edit, told apart by text alone."""

    backbone: Backbone
    joint: Joint
    request: EditRequest
    code: Tensor

    @torch.no_grad()
    def __call__(self, query: Query) -> bool:
        """True if the mixture's larger weight is the counterfactual model's."""
        code = self.joint.classifier.encode(self.backbone, [Query(query.prompt)])[0]
        return bool(likeness(self.code, code) > 0.5)

    def answer(self, queries: Sequence[Query]) -> list[str]:
        """The counterfactual model's answers. It sees no picture."""
        return [self.joint.model.answer(self.backbone, self.request, query) for query in queries]

    @property
    def nbytes(self) -> int:
        """Bytes of the edit's text and code."""
        return len((self.request.query.prompt + self.request.target).encode()) + self.code.nbytes


class SERACLegacyEditor:
    """Routes by a classifier that read the answer and was never told what is in scope."""

    name = "serac-legacy"
    version = "1"
    cost_class = "trained"
    settings_type = SERACLegacySettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options: Mapping[str, Any] = checked(SERACLegacySettings, options, self.name)
        self._joint: Joint | None = None

    def settings(self, backbone: Backbone) -> SERACLegacySettings:
        """The options that hold for a backbone."""
        return settings_for(SERACLegacySettings, CONFIG, backbone, self.options, self.name)

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        return asdict(self.settings(backbone))

    def fresh(self, backbone: Backbone, seed: int) -> Joint:
        """Both parts, untrained."""
        s, width = self.settings(backbone), backbone.embeddings(()).shape[1]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            classifier = ScopeClassifier(width, s.scope_hidden, s.scope_code, image_key=False)
            made = Joint(classifier, Counterfactual(width, s.size, s.layers, s.heads))
        return made.to(backbone.device)

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        """As `mixture.train_jointly` says."""
        s = self.settings(backbone)
        joint = self.fresh(backbone, training.seed)
        train_jointly(backbone, cases, joint, training, steps=s.steps, lr=s.lr, batch=s.batch)
        return joint.state_dict()

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        joint = self.fresh(backbone, 0)
        joint.load_state_dict(dict(tensors))
        self._joint = joint.eval().requires_grad_(False)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One route per edit; of several in scope the latest answers. Raises `BenchError` before `load`."""
        if self._joint is None:
            raise BenchError("serac-legacy: the trained parts must be loaded before an edit")
        base = backbone.unedited()
        with torch.no_grad():
            code = self._joint.classifier.encode(base, [memory_query(request)])[0]
        port = Port(base, self._joint, request, code)
        return Edit((Route(port, port),))
