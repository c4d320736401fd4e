"""The MMEdit port of SERAC, kept for comparison; its card says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.serac.reader import Entry, Networks, Sizes
from methods.serac_legacy.mixture import Joint, memory_query, train_jointly
from methods.serac_legacy.reader import Port
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


class SERACLegacyEditor:
    """Routes by a classifier that read the answer and was never told what is in scope."""

    name = "serac-legacy"
    version = "2"
    cost_class = "trained"
    settings_type = SERACLegacySettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options: Mapping[str, Any] = checked(SERACLegacySettings, options, self.name)
        self._networks: Networks | None = None

    def settings(self, backbone: Backbone) -> SERACLegacySettings:
        """The options that hold for a backbone."""
        return settings_for(SERACLegacySettings, CONFIG, backbone, self.options, self.name)

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        return asdict(self.settings(backbone))

    def fresh(self, backbone: Backbone, seed: int) -> Joint:
        """Both parts, untrained."""
        sizes = self._sizes(backbone)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = Joint(*sizes.fresh())
        return made.to(backbone.device)

    def _sizes(self, backbone: Backbone) -> Sizes:
        s, width = self.settings(backbone), backbone.embeddings(()).shape[1]
        return Sizes(width, s.scope_hidden, s.scope_code, False, s.size, s.layers, s.heads)

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        """As `mixture.train_jointly` says."""
        s = self.settings(backbone)
        joint = self.fresh(backbone, training.seed)
        train_jointly(backbone, cases, joint, training, steps=s.steps, lr=s.lr, batch=s.batch)
        return joint.state_dict()

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        names = {"classifier": "scope", "model": "model"}
        held = {}
        for name, tensor in tensors.items():
            part, _, own = name.partition(".")
            held[f"{names[part]}.{own}"] = tensor.detach().to(backbone.device)
        self._networks = Networks(Shared(held), self._sizes(backbone))
        self._networks.ready(backbone)  # what does not fit is refused here, not at the first edit

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One route per edit; of several in scope the latest answers. Raises `BenchError` before `load`."""
        if self._networks is None:
            raise BenchError("serac-legacy: the trained parts must be loaded before an edit")
        base = backbone.unedited()
        classifier, _ = self._networks.ready(base)
        with torch.no_grad():
            code = classifier.encode(base, [memory_query(request)])[0]
        entry = Entry(request.id, request.query.prompt, request.target, code)
        return Edit((Route(Port(self._networks, (entry,)), request.id),))
