"""GRACE: a codebook at one layer, whose entry for a question takes the place of the layer's output."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from methods.descent import descend
from methods.ft.deltas import layer_from_end
from mmedit_bench.editors import (
    FIRST_LAYER,
    LAST_LAYER,
    Backbone,
    Codebook,
    Edit,
    EditRequest,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"
MET = {
    "apart": "no earlier key",
    "same": "an earlier key with this answer, which holds more now",
    "split": "an earlier key with another answer: both hold less now",
    "again": "the same question with another answer, which is replaced",
}


@dataclass(frozen=True)
class GRACESettings:
    """What can be set of `grace`."""

    layer: int = option(
        -2,
        "the layer with the codebook, from 0, or from -1 at the last",
        low=FIRST_LAYER,
        high=LAST_LAYER,
    )
    key: str = option(
        "ffn",
        "what a question is known by, at its last token: what the feed-forward layer reads, or what its "
        "last linear reads",
        choices=("ffn", "inner"),
    )
    replaced: str = option(
        "prompt",
        "where the value stands: at the question's last token, all its tokens, or the answer's too",
        choices=("last", "prompt", "all"),
    )
    radius: float = option(1.0, "deferral radius of a new key, Euclidean", above=0)
    start: str = option(
        "output",
        "what a value begins as: the layer's own output, or uniform in [0, 1)",
        choices=("output", "random"),
    )
    lr: float = option(1.0, "learning rate of Adam", above=0)
    steps: int = option(100, "most steps of an edit", low=0)
    threshold: float = option(0.05, "training stops once the loss is below it", low=0)


class GRACEEditor:
    """Keys are states of edited questions, values are trained, and neither weight nor other edit changes."""

    name = "grace"
    version = "1"
    cost_class = "gradient"
    settings_type = GRACESettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(GRACESettings, options, self.name)

    def settings(self, backbone: Backbone) -> GRACESettings:
        """The options that hold for a backbone."""
        return settings_for(GRACESettings, CONFIG, backbone, self.options, self.name)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One entry of the codebook; the codebook of a sequence is what the entries fold into.

        The value is trained with the codebook in force, as it will be with the entry. Where an earlier
        entry has the same answer and is near, training begins at that entry's value.
        """
        s = self.settings(backbone)
        new = self._begun(backbone, request, s)
        carried = carried_book(backbone, new)
        met = carried.meeting(new) if carried is not None else None
        if carried is not None and met is not None and met.kind == "same":
            new = replace(new, values=carried.values[met.nearest : met.nearest + 1])
        value = new.values.detach().clone().requires_grad_()
        optimiser = torch.optim.Adam([value], lr=s.lr)

        def loss() -> Tensor:
            return backbone.loss([request.query], [request.target], Edit((replace(new, values=value),)))

        result = descend(loss, optimiser, s.steps, done=lambda current: current < s.threshold)
        note = result.note() | {"met": MET[met.kind if met else "apart"]}
        return Edit((replace(new, values=value.detach()),), note)

    def _begun(self, backbone: Backbone, request: EditRequest, s: GRACESettings) -> Codebook:
        """The entry before its value is trained."""
        ffn = backbone.anatomy.ffn(layer_from_end(backbone, s.layer))
        reads, writes = ffn[0] if s.key == "ffn" else ffn[-1], ffn[-1]
        (seen,) = backbone.states([request.query], [request.target], list(dict.fromkeys((reads, writes))))
        # row 0: the question's last token. A copy: the other rows are not needed
        key, read = seen[reads][:1].float().clone(), seen[writes][:1]
        if s.start == "output":
            module = backbone.model.get_submodule(writes)
            given = linear(read.to(module.weight), module.weight, module.bias)
            value = given.detach().float().to(read.device)
        else:
            size = backbone.weight(writes).shape[0]
            value = torch.rand(1, size, generator=torch.Generator().manual_seed(0)).to(key.device)
        radii = torch.full((1,), s.radius, device=key.device)
        return Codebook(reads, writes, s.replaced, key, value, radii, (request.target.strip(),))


def carried_book(backbone: Backbone, new: Codebook) -> Codebook | None:
    """The codebook of the edits that a backbone carries at the place of `new`."""
    items = (item for edit in backbone.edits for item in edit.interventions)
    books = [item for item in items if isinstance(item, Codebook) and item.place == new.place]
    return functools.reduce(_joined, books) if books else None


def _joined(book: Codebook, entry: Codebook) -> Codebook:
    merged = book.merged(entry)
    assert isinstance(merged, Codebook)
    return merged
