"""Logits, states and gradients against a plain forward of the Hugging Face model."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch import Tensor

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import ConstantAnswer, Edit, Route, WeightDelta
from tests.backbones.published import hf_logits
from tests.backbones.rebuilt import hook_count
from tests.tiny import KNOWN, tiny_backbone, tiny_picture

QUERIES = [
    Query("where does the lion live?", tiny_picture(1)),
    Query("name the colour"),
    Query("what is shown in the picture? in the snow", tiny_picture(2, 64, 24)),
]
TARGETS = ["africa", "a red fox in the snow", "green"]


@pytest.fixture(params=KNOWN)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def test_logits_are_those_of_a_plain_forward(backbone: Backbone) -> None:
    found = backbone.logits(QUERIES, TARGETS)
    for own, query, target in zip(found, QUERIES, TARGETS, strict=True):
        answer = backbone.answer_ids(target)
        assert torch.allclose(own, hf_logits(backbone, query, answer)[-len(answer) - 1 : -1], atol=1e-4)
    losses = [
        torch.nn.functional.cross_entropy(own, torch.tensor(backbone.answer_ids(target)), reduction="sum")
        for own, target in zip(found, TARGETS, strict=True)
    ]
    count = sum(len(backbone.answer_ids(target)) for target in TARGETS)
    assert torch.allclose(torch.stack(losses).sum() / count, backbone.loss(QUERIES, TARGETS), atol=1e-5)


def test_logits_carry_the_gradient_of_an_edit_unless_told_not_to(backbone: Backbone) -> None:
    module = backbone.anatomy.ffn(1)[-1]
    delta = torch.zeros_like(backbone.weight(module)).requires_grad_()
    edit = Edit((WeightDelta(module, delta),))
    backbone.logits(QUERIES, TARGETS, edit)[1].square().mean().backward()  # type: ignore[no-untyped-call]
    assert delta.grad is not None and delta.grad.abs().max() > 0
    with torch.no_grad():
        assert not backbone.logits(QUERIES, TARGETS, edit)[0].requires_grad


def test_states_are_what_the_modules_read_in_a_plain_forward(backbone: Backbone) -> None:
    layers = range(backbone.layer_count)
    modules = [backbone.anatomy.attention(k) for k in layers] + [backbone.anatomy.ffn(k)[0] for k in layers]
    found = backbone.states(QUERIES, TARGETS, modules)
    for own, query, target in zip(found, QUERIES, TARGETS, strict=True):
        answer = backbone.answer_ids(target)
        seen: dict[str, Tensor] = {}
        with ExitStack() as stack:
            for path in modules:

                def remember(_: Any, args: Any, kwargs: Any, path: str = path, seen: Any = seen) -> None:
                    read = args[0] if args else kwargs["hidden_states"]
                    seen[path] = read.detach().reshape(-1, 32)  # one row: flattening changes nothing

                module = backbone.model.get_submodule(path)
                stack.callback(module.register_forward_pre_hook(remember, with_kwargs=True).remove)
            hf_logits(backbone, query, answer)
        for path in modules:
            assert own[path].shape == (len(answer), 32)
            assert torch.allclose(own[path], seen[path][-len(answer) - 1 : -1], atol=1e-4), path


def test_states_do_not_depend_on_the_batch_and_show_the_edits_carried(backbone: Backbone) -> None:
    module = backbone.anatomy.attention(1)
    together = backbone.states(QUERIES, TARGETS, [module])
    for query, target, own in zip(QUERIES, TARGETS, together, strict=True):
        (alone,) = backbone.states([query], [target], [module])
        assert torch.allclose(alone[module], own[module], atol=1e-4)
    writer = backbone.anatomy.ffn(0)[-1]
    edit = Edit((WeightDelta(writer, backbone.weight(writer).sin()),))
    edited = backbone.edited(edit).states(QUERIES, TARGETS, [module])
    assert not torch.allclose(edited[0][module], together[0][module], atol=1e-3)


def test_sum_of_outer_products_is_the_gradient_of_the_weight(backbone: Backbone) -> None:
    modules = [path for layer in range(backbone.layer_count) for path in backbone.anatomy.ffn(layer)]
    value, found = backbone.gradients(QUERIES, TARGETS, modules)
    deltas = {path: torch.zeros_like(backbone.weight(path)).requires_grad_() for path in modules}
    loss = backbone.loss(QUERIES, TARGETS, Edit(tuple(WeightDelta(k, d) for k, d in deltas.items())))
    loss.backward()  # type: ignore[no-untyped-call]
    assert value == pytest.approx(loss.item(), abs=1e-5)
    for path in modules:
        u, delta = found[path]
        assert torch.allclose(delta.T @ u, deltas[path].grad, atol=1e-5), path  # type: ignore[arg-type]


def test_gradients_are_taken_at_the_edited_model(backbone: Backbone) -> None:
    path = backbone.anatomy.ffn(1)[-1]
    value, _ = backbone.gradients(QUERIES, TARGETS, [path])
    edit = Edit((WeightDelta(path, 0.1 * backbone.weight(path).sin()),))
    edited, found = backbone.edited(edit).gradients(QUERIES, TARGETS, [path])
    assert edited == pytest.approx(backbone.loss(QUERIES, TARGETS, edit).item(), abs=1e-5)
    assert edited != pytest.approx(value)
    # splitting the batch changes nothing but rounding
    small = backbone.edited(edit)
    small.batch_size = 1
    _, parted = small.gradients(QUERIES, TARGETS, [path])
    (u, delta), (u1, delta1) = found[path], parted[path]
    assert torch.allclose(delta.T @ u, delta1.T @ u1, atol=1e-5)


def test_what_cannot_be_looked_into_is_refused(backbone: Backbone) -> None:
    routed = backbone.edited(Edit((Route(ConstantAnswer("x")),)))
    path = backbone.anatomy.ffn(0)[0]
    for call in (routed.states, routed.gradients):
        with pytest.raises(BenchError, match="a Route answers"):
            call(QUERIES, TARGETS, [path])
    with pytest.raises(BenchError, match="has no module"):
        backbone.states(QUERIES, TARGETS, ["language_model.nothing"])
    with pytest.raises(BenchError, match="only linear layers"):
        backbone.gradients(QUERIES, TARGETS, [backbone.anatomy.attention(0)])
    with pytest.raises(BenchError, match="not in the language model"):
        backbone.gradients(QUERIES, TARGETS, [backbone.linears(backbone.anatomy.bridge)[0]])


def test_nothing_stays_behind(backbone: Backbone) -> None:
    before = backbone.versions()
    backbone.answer(QUERIES, 1)  # the first picture makes transformers install hooks of its own
    hooks = hook_count(backbone)
    backbone.states(QUERIES, TARGETS, [backbone.anatomy.attention(0)])
    backbone.gradients(QUERIES, TARGETS, [backbone.anatomy.ffn(0)[0]])
    assert (backbone.versions(), hook_count(backbone)) == (before, hooks)


def test_visual_tokens_and_embeddings_are_the_models_own(backbone: Backbone) -> None:
    images = [tiny_picture(1), tiny_picture(2)]
    count = backbone.family.picture_tokens(images[0])
    assert [tokens.shape for tokens in backbone.visual(images)] == [(count, 32)] * 2
    assert torch.equal(backbone.visual(images)[1], backbone.visual(images[1:])[0])
    ids = backbone.text_ids("africa")
    embed = backbone.model.get_submodule(backbone.anatomy.embeddings)
    assert torch.equal(backbone.embeddings(ids), embed(torch.tensor(ids)))
    assert backbone.embeddings(()).shape == (0, 32)
    assert backbone.answer_ids("africa")[-1] == backbone.tokenizer.eos_token_id
