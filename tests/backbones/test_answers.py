"""Unedited answers and scores against plain loops and Hugging Face's own functions."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Edit, WeightDelta
from tests.tiny import FAMILIES, KNOWN, tiny_backbone, tiny_cases, tiny_picture

PROMPTS = (
    "what is this?",
    "which city is the capital of this country, paris or lisbon?",
    "name the colour",
    "on which continent does the animal live? africa, asia or europe? name the animal in the picture.",
    "where?",
)
QUERIES = [Query(prompt, tiny_picture(i) if i % 3 else None) for i, prompt in enumerate(PROMPTS * 4)]
TARGETS = [("paris", "a red fox", "green, blue, yellow", "asia")[i % 4] for i in range(len(QUERIES))]


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def hf_inputs(backbone: Backbone, query: Query, tail: tuple[int, ...] = ()) -> dict[str, Any]:
    """One unpadded input for the whole Hugging Face model, built from the published layout."""
    tokenizer = backbone.tokenizer
    ids = [tokenizer.bos_token_id, *tokenizer(query.prompt, add_special_tokens=False)["input_ids"], *tail]
    assert query.image
    ids = [backbone.model.config.image_token_index] * backbone.model.config.num_query_tokens + ids
    pixels = backbone.image_processor(images=[query.image.open()], return_tensors="pt")["pixel_values"]
    row = torch.tensor([ids])
    return {"input_ids": row, "attention_mask": torch.ones_like(row), "pixel_values": pixels}


def naive_answer(backbone: Backbone, query: Query, limit: int) -> str:
    """Token by token, the whole input anew each time."""
    written: tuple[int, ...] = ()
    while len(written) < limit:
        with torch.no_grad():
            if query.image:
                logits = backbone.model(**hf_inputs(backbone, query, written)).logits
            else:
                ids = backbone.tokenizer(query.prompt, add_special_tokens=False)["input_ids"]
                row = torch.tensor([[backbone.tokenizer.bos_token_id, *ids, *written]])
                logits = backbone.model.language_model(input_ids=row).logits
        token = int(logits[0, -1].argmax())
        if token == backbone.tokenizer.eos_token_id:
            break
        written = (*written, token)
    return str(backbone.tokenizer.decode(written, skip_special_tokens=True)).strip()


def test_greedy_answer_equals_a_loop_without_cache(backbone: Backbone) -> None:
    queries = QUERIES[:10]
    assert backbone.answer(queries, 12) == [naive_answer(backbone, query, 12) for query in queries]


def test_greedy_answer_equals_hugging_face_generate(backbone: Backbone) -> None:
    for query in QUERIES[:6]:
        if query.image:
            out = backbone.model.generate(**hf_inputs(backbone, query), max_new_tokens=12, do_sample=False)
            text = backbone.tokenizer.decode(out[0], skip_special_tokens=True).strip()
            assert text.endswith(backbone.answer([query], 12)[0])


def test_the_tiny_model_answers_to_pictures_prompts_and_stops(backbone: Backbone) -> None:
    """Otherwise the tests above would pass for a model that ignores its input."""
    seen = backbone.answer([Query(PROMPTS[0], tiny_picture(i)) for i in range(8)], 12)
    assert len(set(seen)) > 1
    answers = backbone.answer(QUERIES, 30)
    assert len(set(answers)) > 4
    assert len({len(backbone.tokenizer(answer)["input_ids"]) for answer in answers}) > 3


@pytest.mark.parametrize("size", [1, 3, 16])
def test_batch_size_and_order_do_not_change_answers_or_argmax(backbone: Backbone, size: int) -> None:
    answers = backbone.answer(QUERIES, 16)
    scores = backbone.score(QUERIES, TARGETS)
    other = tiny_backbone(backbone.name.removeprefix("tiny-"))
    other.batch_size = size
    order = torch.randperm(len(QUERIES), generator=torch.Generator().manual_seed(size)).tolist()
    assert other.answer([QUERIES[i] for i in order], 16) == [answers[i] for i in order]
    again = other.score([QUERIES[i] for i in order], [TARGETS[i] for i in order])
    assert [f.argmax_ids for f in again] == [scores[i].argmax_ids for i in order]
    for one, i in zip(again, order, strict=True):
        assert one.logprobs == pytest.approx(scores[i].logprobs, abs=1e-4)


def test_teacher_forcing_equals_a_plain_forward_with_labels(backbone: Backbone) -> None:
    pairs = [(query, target) for query, target in zip(QUERIES, TARGETS, strict=True) if query.image][:6]
    queries, targets = [query for query, _ in pairs], [target for _, target in pairs]
    scores = backbone.score(queries, targets)
    total, count = 0.0, 0
    for (query, target), own in zip(pairs, scores, strict=True):
        answer = (
            *backbone.tokenizer(f" {target}", add_special_tokens=False)["input_ids"],
            backbone.tokenizer.eos_token_id,
        )
        inputs = hf_inputs(backbone, query, answer)
        labels = inputs["input_ids"].clone()
        labels[:, : -len(answer)] = -100
        with torch.no_grad():
            out = backbone.model(**inputs, labels=labels)
        assert own.target_ids == answer
        assert own.argmax_ids == tuple(out.logits[0, -len(answer) - 1 : -1].argmax(-1).tolist())
        assert -sum(own.logprobs) / len(answer) == pytest.approx(out.loss.item(), abs=1e-4)
        total, count = total + out.loss.item() * len(answer), count + len(answer)
    loss = backbone.loss(queries, targets)
    assert loss.item() == pytest.approx(total / count, abs=1e-4)


def test_template_surrounds_the_prompt(backbone: Backbone) -> None:
    family = backbone.name.removeprefix("tiny-")
    asked = tiny_backbone(family, template="Question: {prompt} Answer:")
    braces = Query("what is {this}?", tiny_picture(3))
    assert asked.answer([braces], 9) == backbone.answer(
        [Query("Question: what is {this}? Answer:", braces.image)], 9
    )
    with pytest.raises(BenchError, match=r"no \{prompt\} field"):
        tiny_backbone(family, template="Question:")


def test_over_long_inputs_are_refused_with_length_and_limit() -> None:
    backbone = tiny_backbone("opt", max_positions=24)
    fitting = Query("what is this?", tiny_picture(0))
    long = Query("name the colour of the ball " * 8, tiny_picture(0))
    (length,) = backbone.input_lengths([long])
    (with_answer,) = backbone.input_lengths([long], ["paris"])
    assert 24 < length < with_answer
    with pytest.raises(BenchError, match=f"has {length} tokens.*24 positions"):
        backbone.answer([fitting, long])
    with pytest.raises(BenchError, match=f"has {with_answer} tokens.*24 positions"):
        backbone.score([long], ["paris"])
    with pytest.raises(BenchError, match=f"has {with_answer} tokens.*24 positions"):
        backbone.loss([long], ["paris"])


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_stops_where_the_positions_end(family: str) -> None:
    backbone = tiny_backbone(family, max_positions=16)
    backbone.model.language_model.get_input_embeddings().weight.data[backbone.tokenizer.eos_token_id] = 0
    queries = [Query("what is this?"), Query("where?", tiny_picture(1)), Query("name it")]
    for query, answer, length in zip(
        queries, backbone.answer(queries), backbone.input_lengths(queries), strict=True
    ):
        # every position is used, and the last token written needs none
        assert answer == naive_answer(backbone, query, 16 - length + 1)


def test_no_queries_no_answers(backbone: Backbone) -> None:
    assert backbone.answer([]) == []
    assert backbone.score([], []) == []
    assert backbone.embed([]).shape == (0, 32)


def test_embeddings_are_normalised_means(backbone: Backbone) -> None:
    table = backbone.model.language_model.get_input_embeddings().weight
    ids = backbone.tokenizer("a red fox", add_special_tokens=False)["input_ids"]
    mean = table[ids].mean(0)
    found = backbone.embed(["a red fox", "", "blue"])
    assert torch.allclose(found[0], mean / mean.norm(), atol=1e-6)
    assert found[1].norm() == 0
    assert found[2].norm().item() == pytest.approx(1)


def test_digest_covers_weights_tokenizer_template_and_pixels(backbone: Backbone) -> None:
    family = backbone.name.removeprefix("tiny-")
    digest, versions = backbone.digest, backbone.versions()
    assert digest == tiny_backbone(family).digest
    assert digest != tiny_backbone(family, seed=1).digest
    assert digest != tiny_backbone(family, template="{prompt} Answer:").digest
    other = tiny_backbone(family)
    other.image_processor = copy.deepcopy(other.image_processor)
    other.image_processor.size = {"height": 16, "width": 16}
    assert digest != other.digest
    weight = backbone.model.get_submodule(backbone.anatomy.ffn(1)[0]).weight
    with torch.no_grad():
        weight[0, 0] += 1
    assert backbone.digest != digest
    assert backbone.versions() != versions


def test_a_weight_is_handed_out_as_a_copy(backbone: Backbone) -> None:
    digest = backbone.digest
    backbone.weight(backbone.anatomy.ffn(0)[0]).zero_()
    assert backbone.digest == digest
    with pytest.raises(BenchError, match=r"no weight at 'language_model\.nothing'"):
        backbone.weight("language_model.nothing")


@pytest.mark.parametrize("family", KNOWN)
def test_top_tokens_are_those_of_the_logits_at_every_position(family: str) -> None:
    backbone = tiny_backbone(family)
    cases = tiny_cases(3, "test")
    queries, targets = [case.request.query for case in cases], [case.request.target for case in cases]
    rows = backbone.top_tokens(queries, targets, 10)
    forced = backbone.logits(queries, targets)
    for found, own, length in zip(rows, forced, backbone.input_lengths(queries, targets), strict=True):
        assert len(found) == length - 1
        assert all(len(set(row)) == 10 for row in found)
        expected = own.argsort(dim=-1, descending=True)[:, :10]
        assert [set(row) for row in found[-len(own) :]] == [set(row) for row in expected.tolist()]


def test_divergence_is_that_of_the_two_distributions() -> None:
    backbone, (case,) = tiny_backbone("opt"), tiny_cases(1, "test")
    torch.manual_seed(0)
    module = backbone.anatomy.ffn(1)[-1]
    edit = Edit((WeightDelta(module, torch.randn_like(backbone.weight(module))),))
    asked = ([case.request.query], [case.request.target])
    ((*found,),) = backbone.edited(edit).divergences(*asked)
    (before,), (after,) = backbone.logits(*asked), backbone.edited(edit).logits(*asked)
    plain = [
        sum(p * math.log(p / q) for p, q in zip(a.softmax(-1).tolist(), b.softmax(-1).tolist(), strict=True))
        for a, b in zip(before.double(), after.double(), strict=True)
    ]
    assert found == pytest.approx(plain, rel=1e-4, abs=1e-6)
    assert max(found) > 0.01 and backbone.divergences(*asked)[0] == (0.0,) * len(found)
