"""Folded edits against the same edits hook by hook, and the laws of folding."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.forcing import answer_logits
from mmedit_bench.cases import Query
from mmedit_bench.interventions import (
    AttentionMemory,
    ConstantAnswer,
    Context,
    Edit,
    ExtraNeurons,
    Intervention,
    Layout,
    LowRankDelta,
    Route,
    Shared,
    WeightDelta,
    attached,
    fold,
)
from tests.tiny import FAMILIES, same_readings, tiny_backbone, tiny_picture

WIDTH = 32
QUERIES = [Query("where does the lion live?", tiny_picture(1)), Query("name the colour"), Query("fox")]
TARGETS = ["africa", "green", "a red fox"]


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def normal(*shape: int, seed: int = 0, scale: float = 0.05) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dense(backbone: Backbone, seed: int) -> WeightDelta:
    path = backbone.anatomy.ffn(1)[-1]
    return WeightDelta(path, normal(*backbone.weight(path).shape, seed=seed))


def low(backbone: Backbone, seed: int, rank: int = 2) -> LowRankDelta:
    path = backbone.anatomy.ffn(1)[-1]
    rows, columns = backbone.weight(path).shape
    return LowRankDelta(path, normal(rows, rank, seed=seed), normal(rank, columns, seed=seed + 99, scale=1))


def neurons(backbone: Backbone, seed: int) -> ExtraNeurons:
    keys, values = normal(3, WIDTH, seed=seed, scale=0.3), normal(3, WIDTH, seed=seed + 99, scale=0.3)
    up = normal(3, WIDTH, seed=seed + 7, scale=0.3) if backbone.anatomy.gated else None
    return ExtraNeurons(1, keys, normal(3, seed=seed), values, up)


BANK = Shared({"index": normal(6, WIDTH, seed=70, scale=1), "states": normal(6, WIDTH, seed=71, scale=1)})


def memory(backbone: Backbone, seed: int, **changes: Any) -> AttentionMemory:
    own = [normal(1 + seed % 3, WIDTH, seed=seed + 9 * n, scale=1) for n in range(2)]
    values: dict[str, Any] = {"top_k": 3, "gate": "fixed", "weight": 0.4, "banks": (BANK,)}
    return AttentionMemory(1, *own, groups=(len(own[0]),), **values | changes)


def unfolded(backbone: Backbone, edits: list[Edit]) -> Tensor:
    """Logits with the hooks of every single intervention."""
    rows = [backbone._encoder.row(q, "", t) for q, t in zip(QUERIES, TARGETS, strict=True)]
    items = [item for edit in edits for item in edit.interventions]
    with attached(backbone.model, backbone.anatomy, items):
        found = answer_logits(backbone.family, backbone._batch(rows), rows)
    return torch.cat(found)


def folded(backbone: Backbone, edits: list[Edit], last: Edit | None = None) -> Tensor:
    return torch.cat(backbone.edited(*edits).logits(QUERIES, TARGETS, last))


MAKERS = {"dense": dense, "low": low, "neurons": neurons}
BOUND = 2e-4
"""Logits of a random model in float32 are of size 10; sums are taken in another order."""


def mixed(backbone: Backbone) -> list[Edit]:
    return [Edit((MAKERS[kind](backbone, i),)) for i, kind in enumerate(list(MAKERS) * 4)]


@pytest.mark.parametrize("kind", [*MAKERS, "mixed"])
def test_folded_edits_are_the_same_model(backbone: Backbone, kind: str) -> None:
    if kind == "mixed":
        edits = mixed(backbone)
    else:
        edits = [Edit((MAKERS[kind](backbone, seed),)) for seed in range(12)]
    assert len(fold(edits)) == (2 if kind == "mixed" else 1)
    plain = unfolded(backbone, edits)
    assert (plain - unfolded(backbone, [])).abs().max() > 0.1
    assert torch.allclose(folded(backbone, edits), plain, atol=BOUND)
    assert torch.equal(folded(backbone, edits[:1]), unfolded(backbone, edits[:1])), "one edit, bit by bit"


@pytest.mark.parametrize("kind", [*MAKERS, "memory"])
def test_the_gradient_of_the_last_edit_passes_the_fold(backbone: Backbone, kind: str) -> None:
    makers = MAKERS | {"memory": memory}
    carried = [Edit((makers[kind](backbone, seed),)) for seed in range(4)] if kind != "memory" else []
    last = makers[kind](backbone, 50)
    gradients = []
    for ask in (lambda edit: folded(backbone, carried, edit), lambda e: unfolded(backbone, [*carried, e])):
        tensors = {name: t.clone().requires_grad_() for name, t in last.tensors().items()}
        ask(Edit((replace(last, **tensors),))).square().mean().backward()
        gradients.append({name: t.grad for name, t in tensors.items() if t.grad is not None})
    assert (gradients[0].keys() == gradients[1].keys() and "states" in gradients[0]) or kind != "memory"
    for name, gradient in gradients[0].items():
        size = gradient.abs().max()
        assert size > 0 and torch.allclose(gradient, gradients[1][name], atol=1e-4 * size.item()), name


def test_a_trained_edit_on_top_is_differentiable_again_and_again(backbone: Backbone) -> None:
    left = normal(WIDTH, 2).requires_grad_()
    path = backbone.anatomy.ffn(1)[-1]
    last = Edit((LowRankDelta(path, left, normal(2, backbone.weight(path).shape[1], seed=5)),))
    for view in (backbone.edited(Edit((dense(backbone, 1),)), last), backbone.edited(*mixed(backbone), last)):
        losses = []
        for _ in range(3):
            left.grad = None
            loss = view.loss(QUERIES, TARGETS)
            loss.backward()  # type: ignore[no-untyped-call]
            assert left.grad is not None
            with torch.no_grad():
                left -= 0.05 * left.grad
            losses.append(loss.item())
        assert losses[2] < losses[0], "a view sees what its edits' tensors have become"


def test_what_is_carried_is_folded_once(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    view = backbone.edited(*mixed(backbone))
    merges = []
    for cls in (WeightDelta, LowRankDelta, ExtraNeurons):
        plain = cls.merged
        monkeypatch.setattr(
            cls, "merged", lambda self, other, plain=plain: merges.append(other) or plain(self, other)
        )
    last = replace(neurons(backbone, 3), keys=normal(3, WIDTH).requires_grad_())
    for step in range(1, 4):
        view.loss(QUERIES, TARGETS, Edit((last,)))
        assert set(map(id, merges)) == {id(last)} and len(merges) <= 3 * step
    view.score(QUERIES, TARGETS)
    assert set(map(id, merges)) == {id(last)}


def same(a: tuple[Intervention, ...], b: tuple[Intervention, ...]) -> bool:
    return len(a) == len(b) and all(x == y for x, y in zip(a, b, strict=True))


def everything(backbone: Backbone, seed: int) -> Edit:
    kinds = [make(backbone, seed) for make in (*MAKERS.values(), memory)]
    return Edit((*kinds, Context(f"fact {seed}. ", f"{seed % 3}"), Route(ConstantAnswer("x"), f"{seed % 2}")))


def test_folding_is_one_edit_after_the_other_and_leaving_one_out_never_had_it(backbone: Backbone) -> None:
    edits = [everything(backbone, seed) for seed in range(6)]
    whole = fold(edits)
    assert len(whole) == 5
    step: tuple[Intervention, ...] = ()
    for count, edit in enumerate(edits):
        step = fold([edit], onto=step)
        assert same(step, fold(edits[: count + 1]))
    for gone in range(6):
        left = [edit for i, edit in enumerate(edits) if i != gone]
        fresh = [everything(backbone, seed) for seed in range(6) if seed != gone]
        assert same(fold(left), fold(fresh))
        views = [backbone.edited(*left), backbone.edited(*fresh[:2]).edited(*fresh[2:])]
        scored = [view._folded() for view in views]
        assert same(*scored)


def test_low_rank_deltas_become_one_matrix_when_that_is_cheaper() -> None:
    left, right = normal(8, 2), normal(2, 4)
    edits = [Edit((LowRankDelta("m", left, right),))] * 3
    (two,), (three,) = fold(edits[:1]), fold(edits[:2])  # rank 4: 4 * (8 + 4) > 8 * 4
    assert isinstance(two, LowRankDelta) and isinstance(three, WeightDelta)
    assert torch.allclose(three.delta, 2 * left @ right)
    (both,) = fold([Edit((WeightDelta("m", torch.ones(8, 4)),)), *edits[:1]])
    assert isinstance(both, WeightDelta) and torch.equal(both.delta, torch.ones(8, 4) + left @ right)
    (wide,) = fold([Edit((LowRankDelta("m", normal(64, 1), normal(1, 64)),))] * 5)
    assert isinstance(wide, LowRankDelta) and wide.left.shape == (64, 5)


def test_what_does_not_fit_together_stays_apart() -> None:
    half = WeightDelta("m", torch.ones(2, 2).half())
    items = (WeightDelta("m", torch.ones(2, 2)), half, WeightDelta("n", torch.ones(2, 2)), half)
    assert [tuple(item.tensors()["delta"].dtype for item in fold([Edit(items)]))] == [
        (torch.float32, torch.float16, torch.float32)
    ]
    plain = ExtraNeurons(1, torch.ones(1, 2), torch.ones(1), torch.ones(1, 2))
    gated = replace(plain, up_keys=torch.ones(1, 2))
    assert len(fold([Edit((plain, gated))])) == 2


def test_the_last_context_of_a_request_counts(backbone: Backbone) -> None:
    texts = [("old a. ", "a"), ("b. ", "b"), ("free. ", ""), ("new a. ", "a"), ("free. ", "")]
    view = backbone.edited(*(Edit((Context(text, key),)) for text, key in texts))
    asked = [Query("b. free. new a. free. " + query.prompt, query.image) for query in QUERIES]
    assert same_readings(view.score(QUERIES, TARGETS), backbone.score(asked, TARGETS))
    assert view.answer(QUERIES, 5) == backbone.answer(asked, 5)


def test_the_last_route_of_a_request_counts(backbone: Backbone) -> None:
    def about(word: str, text: str) -> Edit:
        return Edit((Route(ConstantAnswer(text, lambda query: word in query.prompt), word),))

    view = backbone.edited(about("lion", "old"), about("fox", "den"), about("lion", "new"))
    assert view.answer(QUERIES, 5) == ["new", backbone.answer(QUERIES, 5)[1], "den"]
    (routes,) = view._folded()
    assert routes.in_scope(backbone, QUERIES) == [True, False, True]
    assert routes.answers(backbone, QUERIES) == {0: "new", 2: "den"}


@dataclass(frozen=True, eq=False)
class Scaled(Intervention):
    """A type of a third party that does not know how to merge: what comes before it is doubled."""

    module: str

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        yield model.get_submodule(self.module).register_forward_hook(lambda _, args, output: 2 * output)


def test_nothing_merges_across_what_cannot_merge(backbone: Backbone) -> None:
    first, second, third = (dense(backbone, seed) for seed in range(3))
    scaled = Scaled(first.module)
    edits = [Edit((first, second)), Edit((scaled,)), Edit((third,)), Edit((second,))]
    kinds = [type(item) for item in fold(edits)]
    assert kinds == [WeightDelta, Scaled, WeightDelta]
    assert torch.allclose(folded(backbone, edits), unfolded(backbone, edits), atol=BOUND)

    class Quiet(WeightDelta):
        """Derives from a delta and acts otherwise."""

        def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
            return iter(())

    assert len(fold([Edit((first, Quiet(first.module, second.delta), third))])) == 3


# ---- memories: the fold is the definition


def test_the_order_of_edits_with_memories_does_not_matter_to_the_bit(backbone: Backbone) -> None:
    other = Shared({"index": normal(4, WIDTH, seed=80, scale=1), "states": normal(4, WIDTH, seed=81)})
    edits = [
        Edit((memory(backbone, 1),)),
        Edit((memory(backbone, 2, banks=(other,)),)),
        Edit((memory(backbone, 3, banks=(Shared(dict(BANK.tensors)), other)),)),
        Edit((memory(backbone, 4, banks=()),)),
    ]
    (one,) = fold(edits)
    assert isinstance(one, AttentionMemory) and len(one.groups) == 4 and len(one.banks) == 2
    logits = folded(backbone, edits)
    for order in itertools.permutations(edits):
        assert same(fold(order), (one,))
    assert torch.equal(folded(backbone, edits[::-1]), logits)


def test_memories_with_other_gates_do_not_merge() -> None:
    plain = AttentionMemory(0, normal(2, 4), normal(2, 4), 1, groups=(1,))
    coder = (normal(4, 4), normal(4))
    gated = replace(plain, gate="similarity", encoder=coder)
    shared = replace(gated, encoder=Shared({"00": coder[0], "01": coder[1]}))
    others = (replace(plain, gate="fixed", weight=0.5), replace(plain, top_k=2), replace(plain, layer=1))
    assert len(fold([Edit((plain, *others, gated))])) == 5
    assert len(fold([Edit((gated, shared, replace(gated, floor=0.1)))])) == 2


def test_the_share_of_the_input_does_not_shrink_with_the_number_of_edits(backbone: Backbone) -> None:
    """Twenty gates of 0.4 in a row would leave (1 - 0.4)^20 of the input; one gate leaves 0.6."""
    edits = [Edit((memory(backbone, seed),)) for seed in range(20)]
    base = unfolded(backbone, [])
    stacked = unfolded(backbone, edits)
    many, one = folded(backbone, edits), folded(backbone, edits[:1])
    assert (many - base).norm() < 1.5 * (one - base).norm()
    assert (many - stacked).norm() > 0.1 * (stacked - base).norm()
