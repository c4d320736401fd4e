"""Fine-tuning in a box and of the Q-Former, against plain PyTorch on a copy of the model."""

from __future__ import annotations

import copy

import pytest
import torch

from methods.ft_l.editor import FTLEditor
from methods.ft_vision.editor import FTVisionEditor
from mmedit_bench.editors import Backbone, BenchError, EditRequest, Query, WeightDelta
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

REQUEST = tiny_cases(1)[0].request


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def copied(backbone: Backbone) -> Backbone:
    return Backbone("copy", copy.deepcopy(backbone.model), backbone.tokenizer, backbone.image_processor)


@pytest.mark.parametrize("epsilon", [0.005, 0.02])
def test_ft_l_is_projected_descent_and_never_leaves_the_ball(backbone: Backbone, epsilon: float) -> None:
    edit = FTLEditor(lr=1e-2, steps=6, threshold=0, epsilon=epsilon).edit(backbone, REQUEST)
    other = copied(backbone)
    weights = {path: other.model.get_submodule(path).weight for path in backbone.anatomy.ffn(1)}
    originals = {path: weight.detach().clone() for path, weight in weights.items()}
    for weight in weights.values():
        weight.requires_grad_()
    optimiser = torch.optim.Adam(weights.values(), lr=1e-2)
    for _ in range(6):
        optimiser.zero_grad()
        other.loss([REQUEST.query], [REQUEST.target]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            for path, weight in weights.items():
                weight.copy_(torch.clamp(weight, originals[path] - epsilon, originals[path] + epsilon))
    for item in edit.interventions:
        assert isinstance(item, WeightDelta)
        assert item.delta.abs().max() <= epsilon
        assert torch.allclose(originals[item.module] + item.delta, weights[item.module], atol=1e-5)
    assert max(item.tensors()["delta"].abs().max() for item in edit.interventions) == pytest.approx(epsilon)


def test_ft_vision_equals_training_a_copied_q_former(backbone: Backbone) -> None:
    edit = FTVisionEditor(lr=1e-2, steps=4, threshold=0).edit(backbone, REQUEST)
    other = copied(backbone)
    weights = {path: other.model.get_submodule(path).weight for path in backbone.linears("qformer")}
    for weight in weights.values():
        weight.requires_grad_()
    # keeps the copy from reading its cache: an edit that does nothing but touch the Q-Former
    touch = FTVisionEditor(steps=0).edit(other, REQUEST)
    optimiser = torch.optim.Adam(weights.values(), lr=1e-2)
    for _ in range(4):
        optimiser.zero_grad()
        other.loss([REQUEST.query], [REQUEST.target], touch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert len(edit.interventions) == len(weights) > 10
    moved = 0.0
    for item in edit.interventions:
        assert isinstance(item, WeightDelta)
        assert torch.allclose(backbone.weight(item.module) + item.delta, weights[item.module], atol=1e-4)
        moved = max(moved, item.delta.abs().max().item())
    assert moved > 1e-2


def test_ft_vision_leaves_questions_without_picture_alone_to_the_bit(backbone: Backbone) -> None:
    edit = FTVisionEditor(lr=5e-2, steps=10, threshold=0).edit(backbone, REQUEST)
    blind, seeing = [Query("name the colour of the ball")], [REQUEST.query]
    view = backbone.edited(edit)
    assert torch.equal(view.logits(blind, ["green"])[0], backbone.logits(blind, ["green"])[0])
    assert not torch.allclose(view.logits(seeing, ["green"])[0], backbone.logits(seeing, ["green"])[0])


def test_ft_vision_trains_the_projector_or_what_inner_layers_add() -> None:
    backbone = tiny_backbone("qwen3-vl")
    inner = "model.visual.deepstack_merger_list"
    bare = backbone.loss([REQUEST.query], [REQUEST.target]).item()
    for options, part in (({}, "model.visual.merger"), ({"part": inner}, inner)):
        edit = FTVisionEditor(lr=1e-2, steps=6, threshold=0, **options).edit(backbone, REQUEST)
        assert [item.plain()["module"] for item in edit.interventions] == list(backbone.linears(part))
        assert backbone.loss([REQUEST.query], [REQUEST.target], edit).item() < bare - 0.1


def test_misuse_is_named(backbone: Backbone) -> None:
    with pytest.raises(BenchError, match="has no picture"):
        FTVisionEditor().edit(backbone, EditRequest("r", Query("where?"), "asia"))
    with pytest.raises(BenchError, match=r"option 'part' is 'mm_projector'; .* no part"):
        FTVisionEditor(part="mm_projector").edit(backbone, REQUEST)
    with pytest.raises(BenchError, match="'epsilon' is 0"):
        FTLEditor(epsilon=0)
