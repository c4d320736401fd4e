"""Gradients in the tensors of an edit against gradients in the weights of a changed model."""

from __future__ import annotations

import pytest
import torch

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.interventions import Edit, WeightDelta
from tests.backbones.rebuilt import QUERIES, TARGETS, changed_copy, linears, neurons, widened
from tests.tiny import KNOWN, tiny_backbone


@pytest.fixture(params=KNOWN)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def test_gradient_of_a_delta_is_the_gradient_of_the_weight(backbone: Backbone) -> None:
    for module in linears(backbone):
        delta = torch.zeros_like(backbone.weight(module)).requires_grad_()
        backbone.loss(QUERIES, TARGETS, Edit((WeightDelta(module, delta),))).backward()  # type: ignore[no-untyped-call]
        other = changed_copy(backbone)
        weight = other.model.get_submodule(module).weight.requires_grad_()
        if not backbone.anatomy.in_language_model(module):
            # a copy caches visual tokens without their graph; an edit of zeros makes it compute them
            zero = torch.zeros_like(weight)
            other = other.edited(Edit((WeightDelta(module, zero),)))
        other.loss(QUERIES, TARGETS).backward()  # type: ignore[no-untyped-call]
        assert weight.grad is not None
        assert delta.grad is not None
        assert torch.allclose(delta.grad, weight.grad, atol=1e-5), module
        assert weight.grad.abs().max() > 1e-4, module


def test_gradient_of_neurons_is_that_of_a_wider_layer(backbone: Backbone) -> None:
    extra = neurons(backbone, 1, count=2)
    held = {name: tensor.requires_grad_() for name, tensor in extra.tensors().items()}
    backbone.loss(QUERIES, TARGETS, Edit((extra,))).backward()  # type: ignore[no-untyped-call]
    other = widened(backbone, neurons(backbone, 1, count=2))
    paths = backbone.anatomy.ffn(1)
    layers = [other.model.get_submodule(path).requires_grad_() for path in paths]
    other.loss(QUERIES, TARGETS).backward()  # type: ignore[no-untyped-call]
    wanted = {
        "keys": layers[0].weight.grad[-2:],
        "bias": layers[0].bias.grad[-2:],
        "values": layers[-1].weight.grad[:, -2:].T,
        "up_keys": layers[1].weight.grad[-2:],
    }
    for name, tensor in held.items():
        assert tensor.grad is not None
        assert torch.allclose(tensor.grad, wanted[name], atol=1e-5), name
        assert tensor.grad.any(), name


def test_gradient_passes_through_carried_edits_too(backbone: Backbone) -> None:
    module = backbone.anatomy.ffn(1)[-1]
    carried = WeightDelta(module, torch.zeros_like(backbone.weight(module)).requires_grad_())
    own = WeightDelta(module, torch.zeros_like(backbone.weight(module)).requires_grad_())
    with torch.no_grad():  # loss turns gradients on by itself
        value = backbone.edited(Edit((carried,))).loss(QUERIES, TARGETS, Edit((own,)))
    value.backward()  # type: ignore[no-untyped-call]
    assert carried.delta.grad is not None
    assert own.delta.grad is not None
    assert torch.equal(carried.delta.grad, own.delta.grad)
    assert all(p.grad is None for p in backbone.model.parameters())


def test_loss_does_not_depend_on_the_batch_size(backbone: Backbone) -> None:
    whole = backbone.loss(QUERIES, TARGETS).item()
    backbone.batch_size = 1
    assert backbone.loss(QUERIES, TARGETS).item() == pytest.approx(whole, abs=1e-5)
