"""Fine-tuning against plain PyTorch on a copy of the model."""

from __future__ import annotations

import copy

import pytest
import torch

from methods.ft.editor import FTEditor
from mmedit_bench.editors import Backbone, BenchError, EditRequest, Query, WeightDelta
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases, tiny_picture


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


REQUEST = tiny_cases(1)[0].request


def test_deltas_equal_training_the_weights_of_a_copy(backbone: Backbone) -> None:
    edit = FTEditor(lr=1e-2, steps=6, threshold=0).edit(backbone, REQUEST)
    other = Backbone("copy", copy.deepcopy(backbone.model), backbone.tokenizer, backbone.image_processor)
    weights = {path: other.model.get_submodule(path).weight for path in backbone.anatomy.ffn(1)}
    for weight in weights.values():
        weight.requires_grad_()
    optimiser = torch.optim.Adam(weights.values(), lr=1e-2)
    for _ in range(6):
        optimiser.zero_grad()
        other.loss([REQUEST.query], [REQUEST.target]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    found = {}
    for item in edit.interventions:
        assert isinstance(item, WeightDelta)
        found[item.module] = item.delta
    assert list(found) == list(weights)
    for path, weight in weights.items():
        assert torch.allclose(backbone.weight(path) + found[path], weight, atol=1e-5), path
        assert found[path].abs().max() > 1e-2
    assert edit.note["steps"] == "6"


def test_training_reaches_the_target_and_stops_there(backbone: Backbone) -> None:
    edit = FTEditor(lr=5e-2, steps=200, threshold=0.15).edit(backbone, REQUEST)
    view = backbone.edited(edit)
    assert view.answer([REQUEST.query]) == [REQUEST.target]
    assert view.loss([REQUEST.query], [REQUEST.target]).item() < 0.15
    assert 1 < int(edit.note["steps"]) < 200
    # it is known now: another edit has nothing to do
    again = FTEditor(lr=5e-2, threshold=0.15).edit(view, REQUEST)
    assert again.note["steps"] == "0"
    assert all(not tensor.any() for item in again.interventions for tensor in item.tensors().values())


def test_the_layer_can_be_chosen(backbone: Backbone) -> None:
    layers = [
        FTEditor(steps=0, layer=k).edit(backbone, REQUEST).first_layer(backbone.anatomy)
        for k in (-1, -2, 0, 1)
    ]
    assert layers == [1, 0, 0, 1]
    for layer in (2, -3):
        with pytest.raises(BenchError, match=r"ft: option 'layer' is .*, which on tiny-\w+ is -2 to 1"):
            FTEditor(layer=layer).edit(backbone, REQUEST)


def test_settings_come_from_the_backbone_and_are_overridden(backbone: Backbone) -> None:
    backbone.name = "blip2-opt-mini"
    request = EditRequest("r", Query("where?", tiny_picture(1)), "asia")
    assert int(FTEditor(threshold=0).edit(backbone, request).note["steps"]) > 2
    assert FTEditor(threshold="0", steps="2").edit(backbone, request).note["steps"] == "2"
