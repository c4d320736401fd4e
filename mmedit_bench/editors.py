"""All that a method needs to import.

An editor inherits nothing. It is a class whose `__init__` takes keyword options (with defaults, and
a `BenchError` for unknown ones and for values out of range; `option`, `checked` and `settings_for`
do that), registered under the entry point group `mmedit_bench.editors`. It is handed edit requests,
never a probe.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mmedit_bench.backbones.anatomy import Anatomy
from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.forcing import Forced
from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe, Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import (
    Asked,
    AttentionMemory,
    Codebook,
    ConstantAnswer,
    Context,
    Edit,
    Everything,
    ExtraNeurons,
    Intervention,
    Layout,
    LowRankDelta,
    MatrixDelta,
    NotSavable,
    Reader,
    Route,
    Scope,
    Shared,
    SideMemory,
    WeightDelta,
    asked,
    register_intervention,
    register_reader,
)
from mmedit_bench.plugins.settings import (
    FIRST_LAYER,
    LAST_LAYER,
    LAYERS,
    OfBackbone,
    checked,
    option,
    settings_for,
)

__all__ = [
    "FIRST_LAYER",
    "LAST_LAYER",
    "LAYERS",
    "Anatomy",
    "Asked",
    "AttentionMemory",
    "Backbone",
    "BenchError",
    "Codebook",
    "ConstantAnswer",
    "Context",
    "Drawable",
    "Edit",
    "EditCase",
    "EditRequest",
    "Editor",
    "Everything",
    "ExtraNeurons",
    "Forced",
    "ImageRef",
    "Intervention",
    "Layout",
    "LowRankDelta",
    "MatrixDelta",
    "NotSavable",
    "OfBackbone",
    "Preparing",
    "Probe",
    "Query",
    "Reader",
    "Route",
    "Scope",
    "Shared",
    "SideMemory",
    "Trained",
    "Training",
    "WeightDelta",
    "asked",
    "checked",
    "deterministic",
    "option",
    "register_intervention",
    "register_reader",
    "settings_for",
]


class Training(Protocol):
    """What an editor's `train` is given beside backbone and cases: a loop that shows progress and resumes."""

    seed: int

    def run(
        self,
        steps: int,
        step: Callable[[int, random.Random], Mapping[str, float]],
        *,
        module: nn.Module,
        optimisers: Sequence[Optimizer] = (),
        label: str = "train",
    ) -> None:
        """Call `step(index, rng)` for each index below `steps` that is not done yet.

        All that changes lives in the module (buffers included) or in the optimisers, and steps draw
        from their `rng` only: a training that was stopped then ends as an undisturbed one. `label`
        tells several trainings of one editor apart.
        """


def deterministic(rng: random.Random) -> torch.Generator:
    """A torch generator seeded from a step's random numbers."""
    return torch.Generator().manual_seed(rng.getrandbits(63))


@runtime_checkable
class Editor(Protocol):
    """Turns a request into an edit.

    `version` changes whenever the editor's answers may. An editor may also have `cost_class`, one
    word on what an edit costs: "free", "forward", "gradient" or "trained", and `control`, true for
    one that is a mark on the scale and not a method: tables show it, but do not rank it.

    It may declare its options: `settings_type`, a frozen dataclass whose fields are made by `option`,
    together with `settings(backbone)`, which returns that dataclass with the values that hold on a
    backbone and raises `BenchError` for those that cannot, and, if it has files per backbone,
    `settings_folder`, where they are. `list editors NAME` shows what is declared, and a run is
    identified by what `settings` returns; without them, by the options as they were given.
    """

    name: str
    version: str

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """The edit for one request. `backbone` carries the earlier edits of a sequence."""


@runtime_checkable
class Preparing(Editor, Protocol):
    """An editor that learns or indexes something first."""

    def prepare(self, backbone: Backbone, cases: Sequence[EditCase]) -> None:
        """Called once, before the first edit, with the unedited backbone and cases of the TRAIN split."""


@runtime_checkable
class Trained(Editor, Protocol):
    """An editor that is trained before it edits; the result is kept and shared between runs.

    Variants that share a training carry the same class attribute `artefact_name`; without it, the
    editor's name is taken.
    """

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        """What decides the training's result, as JSON values; options of the edits are left out."""

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        """Learn from cases of the TRAIN split on the unedited backbone, and return what was learned."""

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        """Take what `train` returned, now or in another process, before the first edit."""


@runtime_checkable
class Drawable(Editor, Protocol):
    """An editor with spaces to show: what it learned, as points of several sorts.

    `reproduce` draws them for a plan of form "spaces" that names the editor.
    """

    def spaces(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Codes [n, d] by the name of a space and, in it, by sort; called after `load`.

        Names are shown as they are, in this order: at most four sorts, of two codes or more each.
        """
