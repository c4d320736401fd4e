"""What is remembered is the same to the bit, and given only where it is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.kept import Kept, Watch
from mmedit_bench.backbones.replay import Below
from mmedit_bench.cases import Query
from mmedit_bench.interventions import Context, Edit, Intervention, WeightDelta, stateless
from mmedit_bench.interventions.base import Layout
from tests.tiny import KNOWN, tiny_backbone, tiny_picture

PROMPTS = ("what is this?", "name the colour of the ball. green, blue, yellow", "where does the fox live?")
SIZES = ((32, 32), (64, 24), (24, 80))
QUERIES = [
    Query(prompt, tiny_picture(i, *SIZES[i % 3]) if i % 3 else None) for i, prompt in enumerate(PROMPTS * 3)
]
TARGETS = [("paris", "a red fox", "asia", "")[i % 4] for i in range(len(QUERIES))]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=KNOWN)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def delta_at(backbone: Backbone, layer: int, scale: float = 0.2, seed: int = 0) -> WeightDelta:
    module = backbone.anatomy.ffn(layer)[-1]
    weight = backbone.weight(module)
    drawn = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
    return WeightDelta(module, (scale * drawn).to(weight))


def remembered(backbone: Backbone) -> list[Below]:
    return [value for value, _, _ in backbone._passes.kept._held.values() if isinstance(value, Below)]


def runs_of(backbone: Backbone, layer: int) -> list[int]:
    """Grows by one whenever a layer runs. No hook counts: a hook below keeps all from being replayed."""
    counted: list[int] = []
    module = backbone.model.get_submodule(backbone.anatomy.layer(layer))
    forward = module.forward

    def counting(*args: Any, **kwargs: Any) -> Any:
        counted.append(layer)
        return forward(*args, **kwargs)

    module.forward = counting
    return counted


def test_replayed_logits_and_gradients_are_the_same_to_the_bit(backbone: Backbone) -> None:
    item = delta_at(backbone, 1)
    counted = runs_of(backbone, 0)

    def found() -> tuple[list[Tensor], Tensor, Tensor]:
        delta = item.delta.clone().requires_grad_()
        edit = Edit((WeightDelta(item.module, delta),))
        loss = backbone.loss(QUERIES, TARGETS, edit)
        loss.backward()  # type: ignore[no-untyped-call]
        assert delta.grad is not None
        return backbone.logits(QUERIES, TARGETS, Edit((item,))), loss.detach(), delta.grad

    backbone._passes.kept.limit = 0  # nothing is remembered
    plain = found()
    assert len(counted) == 2 and not remembered(backbone)
    backbone._passes.kept.limit = 1 << 30
    first, again = found(), found()
    assert len(counted) == 3, "once for the batch, whether with gradient or without"
    for other in (first, again):
        assert all(torch.equal(*pair) for pair in zip(plain[0], other[0], strict=True))
        assert torch.equal(plain[1], other[1]) and torch.equal(plain[2], other[2])


@pytest.mark.parametrize("layer", [1, 2])
def test_replayed_answers_and_readings_are_the_same_to_the_bit(backbone: Backbone, layer: int) -> None:
    item = delta_at(backbone, 1)
    if layer == 2:  # the head alone
        head = backbone.anatomy.head
        shape = backbone.weight(head).shape
        item = WeightDelta(head, 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    view = backbone.edited(Edit((item,)))
    backbone._passes.kept.limit = 0
    plain = view.read(QUERIES, TARGETS, 12), view.answer(QUERIES, 12), view.score(QUERIES, TARGETS)
    backbone._passes.kept.limit = 1 << 30
    counted = runs_of(backbone, 0)
    first = view.read(QUERIES, TARGETS, 12), view.answer(QUERIES, 12), view.score(QUERIES, TARGETS)
    ran = len(counted)
    assert (view.read(QUERIES, TARGETS, 12), view.answer(QUERIES, 12), view.score(QUERIES, TARGETS)) == plain
    assert first == plain and len(counted) - ran < ran


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("device", DEVICES)
def test_one_reading_says_what_answer_and_score_say(dtype: str, device: str) -> None:
    for family in KNOWN:
        backbone = tiny_backbone(family, dtype=dtype, device=device)
        for view in (backbone, backbone.edited(Edit((delta_at(backbone, 1),)))):
            answers, scores = view.answer(QUERIES, 12), view.score(QUERIES, TARGETS)
            # the second target of each query is what is answered: all, part or nothing of it is right
            for targets in (TARGETS, answers, [f"{answer} paris" for answer in answers]):
                read = view.read(QUERIES, targets, 12)
                if dtype == "float32":
                    assert [answer for answer, _ in read] == answers
            if dtype == "float32":
                read = view.read(QUERIES, TARGETS, 12)
                assert [own.argmax_ids for _, own in read] == [own.argmax_ids for own in scores]
                for (_, own), other in zip(read, scores, strict=True):
                    assert own.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_in_half_precision_what_a_row_answers_does_not_hang_on_which_rows_are_right() -> None:
    backbone = tiny_backbone("llama", dtype="bfloat16")
    counted = runs_of(backbone, 1)
    for most in (1, 6):
        before = len(counted)
        answers = [answer for answer, _ in backbone.read(QUERIES, TARGETS, most)]
        again = [answer for answer, _ in backbone.read(QUERIES, TARGETS, most)]
        assert answers == again and len(counted) > before


def test_edits_of_the_first_layer_contexts_and_pictures_are_not_replayed(backbone: Backbone) -> None:
    vision = backbone.linears(backbone.anatomy.bridge)[0]
    shape = backbone.weight(vision).shape
    for item in (
        delta_at(backbone, 0),
        Context("New Fact: a lighthouse\n", "a"),
        WeightDelta(vision, torch.zeros(shape)),
    ):
        backbone.edited(Edit((item, delta_at(backbone, 1)))).read(QUERIES[:3], TARGETS[:3], 3)
        assert not remembered(backbone)
    backbone.read(QUERIES[:3], TARGETS[:3], 3)
    assert not remembered(backbone), "an unedited backbone runs whole: proofs rest on it"


def test_another_picture_prompt_target_or_layer_is_another_batch(backbone: Backbone) -> None:
    view = backbone.edited(Edit((delta_at(backbone, 1),)))
    fresh = tiny_backbone(backbone.name.removeprefix("tiny-"))
    fresh._passes.kept.limit = 0
    other = fresh.edited(Edit((delta_at(backbone, 1),)))
    asked = [
        (Query("what is this?", tiny_picture(1)), "paris"),
        (Query("what is this?", tiny_picture(2)), "paris"),
        (Query("what is this?"), "paris"),
        (Query("what is that?"), "paris"),
        (Query("what is that?"), "asia"),
    ]
    for query, target in asked * 2:
        assert torch.equal(view.logits([query], [target])[0], other.logits([query], [target])[0])
    assert len(remembered(backbone)) == len(asked)


@dataclass(frozen=True, eq=False)
class Silent(Intervention):
    """Installs a hook without saying where, or with a false word about it."""

    module: str
    says: tuple[str, ...] = ()

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return self.says

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        module = model.get_submodule(self.module)
        yield module.register_forward_hook(lambda module, args, output: output * 2)


@pytest.mark.parametrize("told", [False, True])
def test_a_hook_below_is_called_whatever_its_intervention_says(backbone: Backbone, told: bool) -> None:
    says = backbone.anatomy.ffn(1) if told else ()
    item = Silent(backbone.anatomy.ffn(0)[-1], says)
    late = Edit((delta_at(backbone, 1),))
    backbone._passes.kept.limit = 0
    plain = backbone.edited(late, Edit((item,))).logits(QUERIES, TARGETS)
    backbone._passes.kept.limit = 1 << 30
    before = backbone.edited(late).logits(QUERIES, TARGETS)
    assert remembered(backbone)
    found = backbone.edited(late, Edit((item,))).logits(QUERIES, TARGETS)
    assert all(torch.equal(*pair) for pair in zip(found, plain, strict=True))
    assert not any(torch.equal(*pair) for pair in zip(found, before, strict=True))


def test_all_is_forgotten_when_a_weight_changes(backbone: Backbone) -> None:
    view = backbone.edited(Edit((delta_at(backbone, 1),)))
    before = view.logits(QUERIES, TARGETS)
    (picture,) = backbone.visual([tiny_picture(1)])
    layer = backbone.model.get_submodule(backbone.anatomy.ffn(0)[-1])
    with torch.no_grad():
        layer.weight.mul_(1.5)
        for module in backbone.anatomy.vision[-1:]:
            for parameter in backbone.model.get_submodule(module).parameters():
                parameter.mul_(2)
    fresh = Backbone(backbone.name, backbone.model, backbone.tokenizer, backbone.image_processor)
    wanted = fresh.edited(Edit((delta_at(backbone, 1),))).logits(QUERIES, TARGETS)
    after = view.logits(QUERIES, TARGETS)
    assert all(torch.equal(*pair) for pair in zip(after, wanted, strict=True))
    assert not any(torch.equal(*pair) for pair in zip(after, before, strict=True))
    assert not torch.equal(backbone.visual([tiny_picture(1)])[0], picture)


def test_the_watch_sees_writes_moves_and_other_parameters() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    watch = Watch(model)
    assert not watch.changed()
    with torch.no_grad():
        model[0].weight.add_(1)
    assert watch.changed() and not watch.changed()
    model.to(torch.float64)
    assert watch.changed() and not watch.changed()
    model[1].weight = nn.Parameter(torch.zeros(2))
    assert watch.changed() and not watch.changed()


@dataclass
class Value:
    tensor: Tensor

    def tensors(self) -> Iterator[Tensor]:
        yield self.tensor


def test_what_is_kept_is_bounded_and_what_was_written_to_is_dropped() -> None:
    kept = Kept(limit=1000)
    for name in "abc":
        kept.put(name, Value(torch.zeros(100)))
        assert kept.get("a", Value) is not None
    assert kept.get("b", Value) is None and kept.get("c", Value) is not None
    assert len(kept) == 2 and kept.nbytes == 800
    kept.put("large", Value(torch.zeros(1000)))
    assert len(kept) == 2
    held = kept.get("a", Value)
    assert held is not None
    held.tensor.add_(1)
    assert kept.get("a", Value) is None and kept.nbytes == 400
    assert kept.get("c", Below) is None, "a value of another kind"


def test_a_context_is_read_once_and_says_the_same(backbone: Backbone) -> None:
    facts = "New Fact: name the thing in the picture. a lighthouse\nPrompt: what is this? a red fox\n\n" * 2
    view = backbone.edited(Edit((Context(facts, "a"),)))
    # an edit that changes nothing, but acts: the context is read with every question
    module = backbone.anatomy.ffn(0)[-1]
    nothing = WeightDelta(module, torch.zeros_like(backbone.weight(module)))
    plain = view.edited(Edit((nothing,)))
    wanted = plain.read(QUERIES, TARGETS, 12)
    counted = runs_of(backbone, 0)
    for _ in range(2):
        found = view.read(QUERIES, TARGETS, 12)
        assert [answer for answer, _ in found] == [answer for answer, _ in wanted]
        scores = view.score(QUERIES, TARGETS)
        for (_, own), (_, other), alone in zip(found, wanted, scores, strict=True):
            assert own.argmax_ids == other.argmax_ids == alone.argmax_ids
            assert own.logprobs == pytest.approx(other.logprobs, abs=1e-4)
            assert alone.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    assert view.answer(QUERIES, 12) == [answer for answer, _ in wanted]
    pictures = {query.image.digest if query.image else None for query in QUERIES}
    starts = [key for key in backbone._passes.kept._held if key[0] == "start"]  # type: ignore[index]
    assert len(starts) == len(pictures)
    ran = len(counted)
    view.score(QUERIES[:1], TARGETS[:1])
    assert len(counted) == ran + 2 and len(backbone._passes.kept) == len(pictures)


class Lookup(WeightDelta):
    """Derives from a type that is stateless, and wants to meet every row in every pass."""

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        rows: list[int] = []

        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            rows.append(args[0].numel() // (args[0].shape[-1] * max(1, args[0].shape[-2])))
            assert len({*rows}) <= 1, "a row left the batch"

        gate = model.get_submodule(layout.attention(1))
        yield gate.register_forward_hook(lambda m, args, out: None)
        yield model.get_submodule(layout.attention(1) + ".k_proj").register_forward_hook(hook)


def test_under_an_edit_with_a_state_no_row_leaves_and_questions_are_read_whole(backbone: Backbone) -> None:
    item = delta_at(backbone, 1)
    view = backbone.edited(Edit((Lookup(item.module, item.delta),)))
    read = view.read(QUERIES, TARGETS, 6)
    assert [answer for answer, _ in read] == view.answer(QUERIES, 6)
    assert [own for _, own in read] == view.score(QUERIES, TARGETS)
    assert len({len(answer) for answer, _ in read}) > 1
    assert stateless(backbone.edited(Edit((item, Context("a", "b"))))._folded()) and not stateless(
        view._folded()
    )
