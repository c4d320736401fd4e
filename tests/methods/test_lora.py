"""LoRA against plain PyTorch on a copy of the model with its adapters in the weights."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from methods.lora.editor import LoRAEditor, adapted
from mmedit_bench.editors import Backbone, Edit, LowRankDelta, Query, WeightDelta
from mmedit_bench.interventions import fold
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

REQUESTS = [case.request for case in tiny_cases(4, "test")]


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def deltas(edit: Edit) -> dict[str, LowRankDelta]:
    found = {}
    for item in edit.interventions:
        assert isinstance(item, LowRankDelta)
        found[item.module] = item
    return found


class Merged(nn.Module):
    """h = (W0 + alpha / r B A) x + b (Hu et al., Eq. 3), the sum as one matrix."""

    def __init__(self, base: nn.Linear, down: Tensor, scale: float) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        self.A = nn.Parameter(down.clone())
        self.B = nn.Parameter(torch.zeros(base.out_features, len(down)))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.base.weight + self.scale * self.B @ self.A, self.base.bias)


@pytest.mark.parametrize("modules", ["qv", "all"])
def test_an_edit_equals_training_adapters_inside_a_copy(backbone: Backbone, modules: str) -> None:
    given: dict[str, Any] = {
        "rank": 3, "alpha": 6.0, "modules": modules, "layers": 2, "lr": 1e-2, "threshold": 0
    }  # fmt: skip
    (begun, edit) = (LoRAEditor(**given, steps=n).edit(backbone, REQUESTS[0]) for n in (0, 5))
    model = copy.deepcopy(backbone.model)
    inside = {}
    for path, item in deltas(begun).items():
        parent, _, name = path.rpartition(".")
        inside[path] = Merged(model.get_submodule(path), item.right, 6.0 / 3)
        setattr(model.get_submodule(parent), name, inside[path])
    other = Backbone("copy", model, backbone.tokenizer, backbone.image_processor)
    trained = [own for module in inside.values() for own in (module.A, module.B)]
    for parameter in trained:
        parameter.requires_grad_()
    optimiser = torch.optim.Adam(trained, lr=1e-2)
    for _ in range(5):
        optimiser.zero_grad()
        other.loss([REQUESTS[0].query], [REQUESTS[0].target]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert deltas(edit).keys() == inside.keys()
    for path, item in deltas(edit).items():
        expected = 2.0 * inside[path].B @ inside[path].A
        assert torch.allclose(item.left @ item.right, expected, atol=1e-4), path
        assert not torch.equal(item.right, deltas(begun)[path].right), "both factors are trained"
    assert max((item.left @ item.right).abs().max() for item in deltas(edit).values()) > 1e-2
    assert edit.note["steps"] == "5"


def test_an_adapter_begins_as_nothing_and_in_the_range_of_its_width(backbone: Backbone) -> None:
    edit = LoRAEditor(steps=0, modules="all").edit(backbone, REQUESTS[0])
    asked, said = [request.query for request in REQUESTS], [request.target for request in REQUESTS]
    found, bare = backbone.edited(edit).logits(asked, said), backbone.logits(asked, said)
    assert all(torch.equal(a, b) for a, b in zip(found, bare, strict=True))
    for path, item in deltas(edit).items():
        bound = backbone.weight(path).shape[1] ** -0.5
        assert not item.left.any() and 0.8 * bound < item.right.abs().max() <= bound


def test_the_beginning_depends_on_what_is_asked_and_not_on_its_name(backbone: Backbone) -> None:
    editor = LoRAEditor(steps=0)
    first = editor.edit(backbone, REQUESTS[0])
    assert editor.edit(backbone, replace(REQUESTS[0], id="another")) == first
    others = (
        REQUESTS[1],
        replace(REQUESTS[0], target="rome"),
        replace(REQUESTS[0], query=Query(REQUESTS[0].query.prompt)),
    )
    for other in others:
        mine, theirs = (deltas(edit).values() for edit in (first, editor.edit(backbone, other)))
        pairs = zip(mine, theirs, strict=True)
        assert not any(torch.equal(a.right, b.right) for a, b in pairs)


def test_which_linears_are_adapted(backbone: Backbone) -> None:
    anatomy = backbone.anatomy
    attention = [f"{anatomy.attention(1)}.{name}" for name in anatomy.attention_linears]
    assert [path.rpartition(".")[2] for path in adapted(backbone, "qv", 1)] == ["q_proj", "v_proj"]
    assert adapted(backbone, "attention", 1) == attention
    assert adapted(backbone, "ffn", 1) == list(anatomy.ffn(1))
    assert adapted(backbone, "all", 1) == attention + list(anatomy.ffn(1))
    assert len(adapted(backbone, "qv", 2)) == 4
    assert len(LoRAEditor(steps=0).edit(backbone, REQUESTS[0]).interventions) == 4, "all layers"


def test_the_target_is_learned_and_then_there_is_nothing_to_do(backbone: Backbone) -> None:
    editor = LoRAEditor(lr=2e-2, steps=200, threshold=0.15, modules="all")
    edit = editor.edit(backbone, REQUESTS[0])
    view = backbone.edited(edit)
    assert view.answer([REQUESTS[0].query]) == [REQUESTS[0].target]
    assert 1 < int(edit.note["steps"]) < 200
    again = editor.edit(view, REQUESTS[0])
    assert again.note["steps"] == "0"
    assert not any(item.left.any() for item in deltas(again).values())


def test_a_sequence_is_trained_upon_and_stacks_until_one_matrix_is_smaller() -> None:
    backbone = tiny_backbone("opt")
    editor = LoRAEditor(rank=3, steps=3, lr=1e-2)
    view, edits = backbone, []
    for request in REQUESTS:
        edits.append(editor.edit(view, request))
        view = view.edited(edits[-1])
    assert edits[0].nbytes == 4 * 4 * 3 * (32 + 32)
    alone = editor.edit(backbone, REQUESTS[1])
    assert edits[1] != alone, "the second adapter was trained with the first in force"
    for count, kind in ((1, LowRankDelta), (5, LowRankDelta), (6, WeightDelta)):
        items = fold((edits * 2)[:count])  # 6 adapters of rank 3: 18 (32 + 32) > 32 * 32
        assert len(items) == 4 and all(isinstance(item, kind) for item in items), count
