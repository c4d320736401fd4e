"""Fine-tuning of the projection against plain PyTorch on a copy of the model."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from methods.projector.editor import ProjectorEditor
from mmedit_bench.editors import Backbone, BenchError, EditRequest, MatrixDelta, Query, WeightDelta
from tests.tiny import tiny_backbone, tiny_cases

REQUEST = tiny_cases(1)[0].request
PARTS = {
    "opt": ["language_projection.weight"],
    "llama": ["language_projection.weight"],
    "llava": [f"model.multi_modal_projector.linear_{n}.weight" for n in (1, 2)],
    "gemma3": ["model.multi_modal_projector.mm_input_projection_weight"],
}
"""All matrices of each family's projection."""


@pytest.fixture(params=PARTS)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_edit_equals_training_the_projection_of_a_copy(family: str) -> None:
    backbone = tiny_backbone(family)
    edit = ProjectorEditor(lr=1e-2, steps=4, threshold=0).edit(backbone, REQUEST)
    other = Backbone("copy", copy.deepcopy(backbone.model), backbone.tokenizer, backbone.image_processor)
    weights = {path: other.model.get_parameter(path) for path in PARTS[family]}
    for weight in weights.values():
        weight.requires_grad_()
    # keeps the copy from reading its cache: an edit that does nothing but touch the projection
    touch = ProjectorEditor(steps=0).edit(other, REQUEST)
    optimiser = torch.optim.Adam(weights.values(), lr=1e-2)
    for _ in range(4):
        optimiser.zero_grad()
        other.loss([REQUEST.query], [REQUEST.target], touch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    found = {}
    for item in edit.interventions:
        assert isinstance(item, WeightDelta | MatrixDelta)
        path = item.parameter if isinstance(item, MatrixDelta) else f"{item.module}.weight"
        found[path] = item.delta
    assert list(found) == PARTS[family]
    for path, delta in found.items():
        assert torch.allclose(backbone.model.get_parameter(path) + delta, weights[path], atol=1e-4), path
        assert delta.abs().max() > 1e-2


def test_edits_add_up_and_questions_without_picture_stay_to_the_bit(family: str) -> None:
    backbone = tiny_backbone(family)
    view, asked = backbone, ([REQUEST.query], [REQUEST.target])
    losses = [view.loss(*asked).item()]
    for _ in range(2):
        edit = ProjectorEditor(lr=1e-2, steps=4, threshold=0).edit(view, REQUEST)
        view = view.edited(edit)
        losses.append(view.loss(*asked).item())
    assert losses[0] > losses[1] > losses[2], "an edit is trained upon the earlier ones"
    assert ProjectorEditor(threshold=losses[2] + 0.1).edit(view, REQUEST).note["steps"] == "0"
    blind = [Query("name the colour of the ball")]
    assert torch.equal(view.logits(blind, ["green"])[0], backbone.logits(blind, ["green"])[0])


def test_misuse_is_named() -> None:
    backbone = tiny_backbone("opt")
    with pytest.raises(BenchError, match="request r has no picture"):
        ProjectorEditor().edit(backbone, EditRequest("r", Query("where?"), "asia"))
    backbone.anatomy = replace(backbone.anatomy, projector=None)
    with pytest.raises(BenchError, match=r"tiny-opt \(blip-2/opt\) has no projection of its own"):
        ProjectorEditor().edit(backbone, REQUEST)
