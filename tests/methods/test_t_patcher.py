"""T-Patcher: its losses against plain loops, its patches against a wider layer."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from methods.ft.editor import FTEditor
from methods.t_patcher.editor import Patches, TPatcherEditor, wrong_queries
from methods.t_patcher.losses import activation_loss, contrast_loss, memory_loss
from mmedit_bench.editors import Backbone, BenchError, Edit, EditRequest, ExtraNeurons
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

CASES = tiny_cases(6)
REQUEST = tiny_cases(1, "test")[0].request


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def prepared(backbone: Backbone, **options: Any) -> TPatcherEditor:
    editor = TPatcherEditor(**options)
    editor.prepare(backbone, CASES)
    return editor


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 8), st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_activation_memory_and_contrast_loss_are_the_published_sums(
    patches: int, size: int, most: int, seed: int
) -> None:
    own, memory = normal(patches, seed=seed), normal(size, patches, seed=seed + 1)
    fire = sorted((math.exp(-float(s)) for s in own), reverse=True)[:most]
    assert activation_loss(own, most).item() == pytest.approx(sum(fire) / len(fire), rel=1e-4)
    below, lower = [], []
    for i in range(patches):
        terms = sorted((math.exp(float(s) + 3) for s in memory[:, i]), reverse=True)[:most]
        below.append(sum(terms) / len(terms))
        terms = sorted((math.exp(float(s) - float(own[i]) + 3) for s in memory[:, i]), reverse=True)[:most]
        lower.append(sum(terms) / len(terms))
    assert memory_loss(memory, most=most).item() == pytest.approx(sum(below) / patches, rel=1e-4)
    assert contrast_loss(own, memory, most=most).item() == pytest.approx(sum(lower) / patches, rel=1e-4)


def test_an_edit_is_descent_on_l_e_l_a_and_both_memory_losses(backbone: Backbone) -> None:
    """l_e + 0.7 l_a + 0.4 (l_m1 + l_m2), written out and followed by plain Adam."""
    editor = prepared(
        backbone, steps=4, lr=0.02, threshold=0.0, activation_weight=0.7, memory_weight=0.4, amplifier=2.0,
        weight_decay=0.1,
    )  # fmt: skip
    (found,) = editor.edit(backbone, REQUEST).interventions
    queries, memory = wrong_queries(backbone, REQUEST, backbone.anatomy.ffn(1)[0]), editor._memory
    assert len(queries) > 1 and memory is not None and len(memory) > 1
    keys = torch.stack([q / (q @ q) for q in queries]).requires_grad_()
    bias, values = torch.zeros(len(keys)).requires_grad_(), torch.zeros_like(keys).requires_grad_()
    amplifier = torch.full((len(keys), 1), 2.0).requires_grad_()
    up = keys.detach().clone().requires_grad_() if backbone.anatomy.gated else None
    trained = [keys, bias, values, amplifier, *([] if up is None else [up])]
    optimiser = torch.optim.Adam(trained, lr=0.02, weight_decay=0.1)
    for _ in range(4):
        edit = Edit((ExtraNeurons(1, keys, bias, amplifier * values, up),))
        total = backbone.loss([REQUEST.query], [REQUEST.target], edit)
        fire, below, lower = [], [], []
        for i in range(len(keys)):
            s = queries[i] @ keys[i] + bias[i]
            fire.append(torch.exp(-s))
            below += [torch.exp(m @ keys[i] + bias[i] + 3) for m in memory]
            lower += [torch.exp(m @ keys[i] + bias[i] - s + 3) for m in memory]
        loudest = torch.stack(fire).sort(descending=True).values[:5].mean()
        total = total + 0.7 * loudest + 0.4 * (torch.stack(below).mean() + torch.stack(lower).mean())
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    wanted = {"keys": keys, "bias": bias, "values": amplifier * values}
    wanted |= {} if up is None else {"up_keys": up}
    assert found.tensors().keys() == wanted.keys()
    for name, tensor in found.tensors().items():
        assert torch.allclose(tensor, wanted[name], atol=1e-3), name


def test_an_edit_moves_all_that_it_trains(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Patches, dict[str, Tensor]]] = []
    inner = Patches.at

    def kept(*given: Any) -> Patches:
        patches = inner(*given)
        made.append((patches, {k: v.detach().clone() for k, v in vars(patches).items() if v is not None}))
        return patches

    monkeypatch.setattr(Patches, "at", kept)
    prepared(backbone, steps=3, threshold=0.0, weight_decay=0.0).edit(backbone, REQUEST)
    ((patches, before),) = made
    assert len(before) == 4 + backbone.anatomy.gated
    for name, tensor in before.items():
        assert not torch.equal(getattr(patches, name).detach(), tensor), name


def test_an_edit_stops_once_the_answer_alone_is_learned(backbone: Backbone) -> None:
    """Whatever the other losses are then."""
    bare = backbone.loss([REQUEST.query], [REQUEST.target]).item()
    edit = prepared(backbone, threshold=bare + 0.01, activation_weight=9.0, steps=3).edit(backbone, REQUEST)
    assert (edit.note["steps"], edit.note["answer_loss"]) == ("0", f"{bare:.4f}")
    edit = prepared(backbone, threshold=bare - 0.01, activation_weight=9.0, steps=3).edit(backbone, REQUEST)
    assert edit.note["steps"] != "0"


def test_one_patch_per_wrong_token(backbone: Backbone) -> None:
    (forced,) = backbone.score([REQUEST.query], [REQUEST.target])
    wrong = sum(a != t for a, t in zip(forced.argmax_ids, forced.target_ids, strict=True))
    edit = prepared(backbone, steps=1).edit(backbone, REQUEST)
    (item,) = edit.interventions
    assert isinstance(item, ExtraNeurons)
    assert wrong > 1 and len(item.keys) == wrong == int(edit.note["patches"])
    assert item.layer == backbone.layer_count - 1
    assert len(prepared(backbone, neurons=1).edit(backbone, REQUEST).interventions[0].tensors()["keys"]) == 1


def test_patches_stand_at_wrong_tokens_and_at_no_right_one(backbone: Backbone) -> None:
    view = backbone.edited(FTEditor(lr=5e-2, steps=200, threshold=0.15).edit(backbone, REQUEST))
    word, _ = REQUEST.target.split()
    request = EditRequest("other", REQUEST.query, f"{word} 7")  # begins as what is said now
    (forced,) = view.score([request.query], [request.target])
    pairs = zip(forced.argmax_ids or (), forced.target_ids, strict=True)
    wrong = [i for i, (guess, token) in enumerate(pairs) if guess != token]
    assert 0 < len(wrong) < len(forced.target_ids)
    reader = backbone.anatomy.ffn(1)[0]
    (read,) = view.states([request.query], [request.target], [reader])
    queries = read[reader][wrong]
    (item,) = prepared(backbone, steps=0).edit(view, request).interventions
    keys = item.tensors()["keys"]
    assert keys.shape == queries.shape
    assert torch.allclose(keys, queries / queries.square().sum(-1, keepdim=True), atol=1e-5)


def test_a_right_answer_needs_no_patch(backbone: Backbone) -> None:
    editor = prepared(backbone, steps=200, lr=0.05, threshold=0.01, memory=0, weight_decay=0.0)
    first = editor.edit(backbone, REQUEST)
    again = editor.edit(backbone.edited(first), REQUEST)
    assert not again.interventions and again.note["patches"] == "0"


def test_a_new_patch_fires_at_its_own_query_with_one_and_changes_nothing(backbone: Backbone) -> None:
    reader = backbone.anatomy.ffn(1)[0]
    queries = wrong_queries(backbone, REQUEST, reader)
    patches = Patches.at(queries, 10.0, backbone.anatomy.gated)
    assert torch.allclose(patches.signal(queries).diagonal(), torch.ones(len(queries)), atol=1e-5)
    untrained = prepared(backbone, steps=0).edit(backbone, REQUEST)
    assert torch.equal(
        backbone.edited(untrained).logits([REQUEST.query], [REQUEST.target])[0],
        backbone.logits([REQUEST.query], [REQUEST.target])[0],
    )


def test_the_memory_is_what_the_layer_reads_at_questions_to_be_kept(backbone: Backbone) -> None:
    editor = prepared(backbone, memory=2)
    reader = backbone.anatomy.ffn(1)[0]
    expected = []
    for case in CASES[:2]:
        for probe in case.probes:
            if probe.kind in ("text_locality", "image_locality"):
                (read,) = backbone.states([probe.query], [probe.reference], [reader])
                expected.append(read[reader])
    assert editor._memory is not None
    assert torch.allclose(editor._memory, torch.cat(expected), atol=1e-4)


def test_training_reaches_the_target_and_memory_losses_quieten_the_patches(backbone: Backbone) -> None:
    options: dict[str, Any] = {"steps": 300, "lr": 0.05, "threshold": 0.05, "weight_decay": 0.0}
    loud = prepared(backbone, memory_weight=0.0, **options)
    quiet = prepared(backbone, memory_weight=1.0, **options)
    signals = []
    for editor in (loud, quiet):
        edit = editor.edit(backbone, REQUEST)
        assert backbone.edited(edit).answer([REQUEST.query]) == [REQUEST.target]
        (item,) = edit.interventions
        assert isinstance(item, ExtraNeurons) and editor._memory is not None
        signals.append((editor._memory @ item.keys.T + item.bias).topk(3, dim=0).values.mean().item())
    assert signals[1] < signals[0]


def test_in_a_sequence_earlier_patches_stay(backbone: Backbone) -> None:
    editor = prepared(backbone, steps=5)
    first = editor.edit(backbone, REQUEST)
    before = {name: tensor.clone() for name, tensor in first.interventions[0].tensors().items()}
    editor.edit(backbone.edited(first), CASES[0].request)
    for name, tensor in first.interventions[0].tensors().items():
        assert torch.equal(tensor, before[name])


def test_misuse_is_named(backbone: Backbone) -> None:
    with pytest.raises(BenchError, match="prepare"):
        TPatcherEditor().edit(backbone, REQUEST)
    with pytest.raises(BenchError, match=r"t-patcher: option 'layer' is 5; .* -2 to 1"):
        prepared(backbone, layer=5)
    assert isinstance(REQUEST, EditRequest)
