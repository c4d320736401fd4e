"""Edits through hooks against models that are really changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import (
    ConstantAnswer,
    Context,
    Edit,
    ExtraNeurons,
    Intervention,
    Layout,
    LowRankDelta,
    Route,
    WeightDelta,
)
from tests.backbones.rebuilt import (
    QUERIES,
    TARGETS,
    changed_copy,
    delta_for,
    hook_count,
    linears,
    neurons,
    noise,
    vision,
    widened,
)
from tests.tiny import KNOWN, same_readings, tiny_backbone, tiny_picture


@pytest.fixture(params=KNOWN)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def logprobs(backbone: Backbone) -> list[float]:
    return [value for forced in backbone.score(QUERIES, TARGETS) for value in forced.logprobs]


def test_a_delta_equals_a_changed_weight(backbone: Backbone) -> None:
    before = logprobs(backbone)
    for module in linears(backbone):
        delta = delta_for(backbone, module)
        other = changed_copy(backbone)
        other.model.get_submodule(module).weight.data += delta.delta
        found = logprobs(backbone.edited(Edit((delta,))))
        assert found == pytest.approx(logprobs(other), abs=1e-4), module
        assert found != pytest.approx(before, abs=1e-3), module
    assert logprobs(backbone) == before


def test_a_low_rank_delta_equals_its_product(backbone: Backbone) -> None:
    module = backbone.anatomy.ffn(1)[-1]
    rows, columns = backbone.weight(module).shape
    left, right = noise(rows, 3), noise(3, columns, seed=1)
    low = logprobs(backbone.edited(Edit((LowRankDelta(module, left, right),))))
    assert low == pytest.approx(
        logprobs(backbone.edited(Edit((WeightDelta(module, left @ right),)))), abs=1e-5
    )


@pytest.mark.parametrize("layer", [0, 1])
def test_extra_neurons_equal_a_wider_layer(backbone: Backbone, layer: int) -> None:
    extra = neurons(backbone, layer)
    edited = backbone.edited(Edit((extra,)))
    other = widened(backbone, extra)
    assert logprobs(edited) == pytest.approx(logprobs(other), abs=1e-5)
    assert logprobs(edited) != pytest.approx(logprobs(backbone), abs=1e-3)
    assert edited.answer(QUERIES, 12) == other.answer(QUERIES, 12)


def test_edits_of_one_layer_add_up(backbone: Backbone) -> None:
    writer = backbone.anatomy.ffn(1)[-1]
    delta, extra = delta_for(backbone, writer), neurons(backbone, 1)
    other = widened(backbone, extra)
    width = delta.delta.shape[1]
    other.model.get_submodule(writer).weight.data[:, :width] += 2 * delta.delta
    edited = backbone.edited(Edit((delta, extra))).edited(Edit((delta,)))
    assert logprobs(edited) == pytest.approx(logprobs(other), abs=1e-5)


def test_edits_that_change_nothing_are_bit_identical(backbone: Backbone) -> None:
    scores, answers = backbone.score(QUERIES, TARGETS), backbone.answer(QUERIES)
    zeros = [delta_for(backbone, module, scale=0) for module in linears(backbone)]
    for edit in (
        Edit(),
        Edit((Context(""),)),
        Edit(tuple(zeros)),
        Edit(
            (
                LowRankDelta(
                    zeros[0].module, *(torch.zeros(s) for s in ((zeros[0].delta.shape[0], 2), (2, 32)))
                ),
            )
        ),
        Edit((neurons(backbone, 0, scale=0), neurons(backbone, 1, scale=0))),
        Edit((Route(ConstantAnswer("x", lambda query: False)),)),
    ):
        edited = backbone.edited(edit)
        assert edited.score(QUERIES, TARGETS) == scores
        assert edited.answer(QUERIES) == answers


def test_visual_tokens_are_those_of_the_edited_vision_part(backbone: Backbone) -> None:
    """The cache must neither serve an edit of the vision part nor remember it."""
    before = logprobs(backbone)
    edited = backbone.edited(Edit((delta_for(backbone, vision(backbone)[0]),)))
    after = logprobs(edited)
    assert after[:4] != pytest.approx(before[:4], abs=1e-3)
    assert logprobs(backbone) == before
    fresh = tiny_backbone(backbone.name.removeprefix("tiny-"))
    assert logprobs(fresh.edited(*edited.edits)) == after
    assert logprobs(fresh) == before


def test_views_carry_edits_in_order_and_leave_the_original_alone(backbone: Backbone) -> None:
    first, second = Edit((Context("one "),)), Edit((Context("two "),))
    view = backbone.edited(first).edited(second, first)
    assert view.edits == (first, second, first)
    assert backbone.edits == ()
    assert view.unedited().edits == ()
    assert view.model is backbone.model
    with pytest.raises(BenchError, match="must return an Edit, not a list"):
        backbone.edited([])  # type: ignore[arg-type]


def test_contexts_stand_before_the_prompt_in_order(backbone: Backbone) -> None:
    view = backbone.edited(Edit((Context("name the "), Context("colour of ")))).edited(Edit((Context("a "),)))
    for image in (None, tiny_picture(4)):
        plain = [Query("name the colour of a ball", image)]
        assert view.answer([Query("ball", image)]) == backbone.answer(plain)
        assert same_readings(view.score([Query("ball", image)], ["blue"]), backbone.score(plain, ["blue"]))
        assert view.input_lengths([Query("ball", image)]) == backbone.input_lengths(plain)


def test_the_latest_route_in_scope_answers(backbone: Backbone) -> None:
    everything = Edit((Route(ConstantAnswer("old")),))
    pictures = Edit((Route(ConstantAnswer("a red fox", lambda query: query.image is not None)),))
    plain = backbone.answer(QUERIES)
    assert backbone.edited(pictures).answer(QUERIES) == ["a red fox", plain[1], "a red fox"]
    assert backbone.edited(everything, pictures).answer(QUERIES) == ["a red fox", "old", "a red fox"]
    assert backbone.edited(pictures, everything).answer(QUERIES) == ["old"] * 3


def test_a_text_that_a_route_gives_has_no_teacher_forced_reading(backbone: Backbone) -> None:
    view = backbone.edited(Edit((Route(ConstantAnswer("red fox", lambda query: query.image is not None)),)))
    first, open_one, _ = view.score(QUERIES, TARGETS)
    assert first.target_ids == backbone.answer_ids(TARGETS[0])
    assert (first.argmax_ids, first.logprobs) == (None, None)
    assert open_one == backbone.score(QUERIES[1:2], TARGETS[1:2])[0]
    with pytest.raises(BenchError, match="a text has no loss"):
        view.loss(QUERIES, TARGETS)
    assert view.loss(QUERIES[1:2], ["x"]).item() == backbone.loss(QUERIES[1:2], ["x"]).item()


@dataclass(frozen=True, eq=False)
class Breaking(Intervention):
    """Installs a hook, then fails: while it is installed, or in the forward pass."""

    module: str
    at_once: bool

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        def hook(*_: object) -> None:
            raise RuntimeError("in the forward pass")

        yield model.get_submodule(self.module).register_forward_hook(hook)
        if self.at_once:
            raise RuntimeError("while installing")


@pytest.mark.parametrize("at_once", [True, False])
def test_no_hook_survives_an_exception(backbone: Backbone, at_once: bool) -> None:
    before, start = logprobs(backbone), hook_count(backbone)
    good = neurons(backbone, 0)
    broken = backbone.edited(Edit((good, Breaking(backbone.anatomy.head, at_once), good)))
    for ask in (
        lambda: broken.answer(QUERIES),
        lambda: broken.score(QUERIES, TARGETS),
        lambda: backbone.loss(QUERIES, TARGETS, broken.edits[0]),
    ):
        with pytest.raises(RuntimeError, match="while installing" if at_once else "in the forward pass"):
            ask()
        assert hook_count(backbone) == start
    assert logprobs(backbone) == before


@pytest.mark.parametrize(
    ("item", "word"),
    [
        (WeightDelta("language_model.nowhere", torch.zeros(1, 1)), "no module 'language_model.nowhere'"),
        (WeightDelta("language_projection", torch.zeros(3, 3)), r"shape \(32, 16\), the delta has \(3, 3\)"),
        (WeightDelta("vision_model.post_layernorm", torch.zeros(3, 3)), "is a LayerNorm"),
        (ExtraNeurons(7, *(torch.zeros(s) for s in ((1, 32), (1,), (1, 32), (1, 32)))), "no layer 7"),
        (ExtraNeurons(1, *(torch.zeros(s) for s in ((1, 9), (1,), (1, 9), (1, 9)))), "width 9, not 32"),
        (ExtraNeurons(1, *(torch.zeros(s) for s in ((1, 32), (1,), (1, 32)))), "up_keys is needed"),
    ],
)
def test_interventions_that_do_not_fit_say_so(item: Intervention, word: str) -> None:
    backbone = tiny_backbone("llama")
    with pytest.raises(BenchError, match=word):
        backbone.edited(Edit((item,))).answer(QUERIES[:1])
    assert hook_count(backbone) == hook_count(tiny_backbone("llama"))


def test_up_keys_are_refused_where_nothing_is_gated() -> None:
    extra = ExtraNeurons(1, *(torch.zeros(s) for s in ((1, 32), (1,), (1, 32), (1, 32))))
    with pytest.raises(BenchError, match="up_keys has no meaning"):
        tiny_backbone("opt").edited(Edit((extra,))).answer(QUERIES[:1])


def test_edits_leave_digest_and_versions_alone(backbone: Backbone) -> None:
    digest, versions = backbone.digest, backbone.versions()
    edit = Edit((*(delta_for(backbone, module) for module in linears(backbone)), neurons(backbone, 0)))
    backbone.edited(edit).answer(QUERIES)
    backbone.loss(QUERIES, TARGETS, edit)
    assert (backbone.digest, backbone.versions()) == (digest, versions)
