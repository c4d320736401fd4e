"""Deltas of a bare matrix against the model with that matrix changed."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Edit, MatrixDelta, fold
from tests.tiny import tiny_backbone, tiny_picture

ASKED = [Query("where does the lion live?", tiny_picture(1)), Query("name the colour")]
TARGETS = ["africa", "green"]


def delta(backbone: Backbone, seed: int) -> MatrixDelta:
    path, read = backbone.anatomy.projector, backbone.anatomy.projected
    assert path is not None and read is not None
    shape = backbone.weight(path).shape
    return MatrixDelta(path, read, 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def changed(backbone: Backbone, by: Tensor) -> Backbone:
    """A copy of the backbone with the matrix itself changed."""
    model = copy.deepcopy(backbone.model)
    with torch.no_grad():
        model.get_parameter(backbone.anatomy.projector).add_(by)
    return Backbone("changed", model, backbone.tokenizer, backbone.image_processor)


def test_a_delta_is_the_matrix_changed_and_deltas_add_up(tmp_path: Path) -> None:
    backbone = tiny_backbone("gemma3")
    first, second = delta(backbone, 1), delta(backbone, 2)
    for items in ((first,), (first, second)):
        edit = Edit(items)
        edit.save(tmp_path / "edit")
        assert Edit.load(tmp_path / "edit") == edit
        assert len(fold([edit])) == 1 and edit.first_layer(backbone.anatomy) == 0
        expected = changed(backbone, sum(item.delta for item in items)).logits(ASKED, TARGETS)
        found, bare = backbone.edited(edit).logits(ASKED, TARGETS), backbone.logits(ASKED, TARGETS)
        assert torch.allclose(found[0], expected[0], atol=1e-3)
        assert (found[0] - bare[0]).abs().max() > 0.1
        assert torch.equal(found[1], bare[1]), "a question without a picture never meets it"


def test_what_does_not_fit_is_said() -> None:
    backbone = tiny_backbone("gemma3")
    own = delta(backbone, 1)
    for wrong, message in (
        (replace(own, delta=own.delta[:3]), r"has shape \(16, 32\), the delta has \(3, 32\)"),
        (replace(own, parameter="model.multi_modal_projector.avg_pool"), "is no parameter"),
        (replace(own, reads="model.nowhere"), "no module"),
    ):
        with pytest.raises(BenchError, match=message):
            backbone.edited(Edit((wrong,))).answer(ASKED, 1)
    with pytest.raises(BenchError, match=r"shape \(32,\) is not \[in, out\]"):
        replace(own, delta=own.delta[0])
    assert len(fold([Edit((own, replace(own, delta=own.delta.half())))])) == 2
