"""Every known family against Hugging Face's whole model, its own processor and a loop without cache."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.families import family_of
from mmedit_bench.backbones.inputs import pack
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Context, Edit
from tests.backbones.published import hf_inputs, hf_logits
from tests.tiny import (
    CHAT,
    KNOWN,
    TWINS,
    tiny_backbone,
    tiny_image_processor,
    tiny_model,
    tiny_picture,
    tiny_tokenizer,
)
from tests.tiny_qwen import QWEN

PROMPTS = ("what is this?", "name the colour of the ball", "where does the animal live? africa or asia?")
QUERIES = [Query(prompt, tiny_picture(i) if i % 3 else None) for i, prompt in enumerate(PROMPTS * 3)]
TARGETS = [("paris", "a red fox", "green, blue")[i % 3] for i in range(len(QUERIES))]


@pytest.fixture(params=(*KNOWN, *TWINS))
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def test_greedy_answers_equal_a_loop_without_cache(backbone: Backbone) -> None:
    for query, answer in zip(QUERIES, backbone.answer(QUERIES, 10), strict=True):
        written: tuple[int, ...] = ()
        while len(written) < 10:
            token = int(hf_logits(backbone, query, written)[-1].argmax())
            if token == backbone.tokenizer.eos_token_id:
                break
            written = (*written, token)
        assert answer == backbone.tokenizer.decode(written, skip_special_tokens=True).strip()


def test_the_tiny_models_see_pictures_read_prompts_and_stop(backbone: Backbone) -> None:
    assert len(set(backbone.answer([Query("what is this?", tiny_picture(i)) for i in range(8)], 10))) > 1
    assert len(set(backbone.answer(QUERIES, 10))) > 3


def test_teacher_forcing_equals_a_plain_forward(backbone: Backbone) -> None:
    logits = backbone.logits(QUERIES, TARGETS)
    for query, target, own in zip(QUERIES, TARGETS, logits, strict=True):
        answer = backbone.answer_ids(target)
        assert answer[-1] == backbone.tokenizer.eos_token_id
        plain = hf_logits(backbone, query, answer)[-len(answer) - 1 : -1]
        assert torch.allclose(own, plain, atol=1e-4)
        length = backbone.input_lengths([query], [target])
        assert length == [hf_inputs(backbone, query, answer)["input_ids"].shape[1]]


@pytest.mark.parametrize("size", [1, 4])
def test_neither_batch_nor_order_changes_an_answer(backbone: Backbone, size: int) -> None:
    answers, logits = backbone.answer(QUERIES, 10), backbone.logits(QUERIES, TARGETS)
    other = tiny_backbone(backbone.name.removeprefix("tiny-"))
    other.batch_size = size
    assert other.answer(QUERIES[::-1], 10) == answers[::-1]
    for one, two in zip(other.logits(QUERIES[::-1], TARGETS[::-1])[::-1], logits, strict=True):
        assert torch.allclose(one, two, atol=1e-4)


def test_the_digest_of_the_load_is_kept_and_the_proof_is_made_anew(backbone: Backbone) -> None:
    loaded = backbone.loaded_digest
    assert loaded == backbone.digest == backbone.edited(Edit()).loaded_digest
    backbone.model.get_submodule(backbone.anatomy.ffn(0)[0]).weight.data[0, 0] += 1
    assert backbone.loaded_digest == loaded != backbone.digest


# ---- what would change logits without an error


def test_tokens_of_a_picture_are_marked_for_models_that_ask_for_it() -> None:
    backbone = tiny_backbone("gemma3")
    rows = [backbone._encoder.row(query, target="paris") for query in (QUERIES[1], QUERIES[0])]
    batch = backbone._batch(rows)
    marked = batch.kinds["token_type_ids"]
    for row, own, mask in zip(rows, marked, batch.mask, strict=True):
        blank = len(own) - row.length
        assert mask.tolist() == [0] * blank + [1] * row.length
        expected = [0] * len(own)
        if row.image:
            expected[blank + row.places[0] : blank + row.places[0] + 4] = [1] * 4
        assert own.tolist() == expected
    given = hf_inputs(backbone, QUERIES[1], backbone.answer_ids("paris"))["token_type_ids"][0]
    assert marked[0].tolist()[-len(given) :] == given.tolist()
    # and without them the answer is another
    held = backbone.logits([QUERIES[1]], ["paris"])[0]
    backbone.family.kinds = ()
    assert not torch.allclose(backbone.logits([QUERIES[1]], ["paris"])[0], held, atol=1e-3)
    assert pack(rows, backbone.family, backbone._visual([rows[0].image])).kinds == {}


def test_inputs_of_a_picture_that_an_adapter_does_not_know_are_refused() -> None:
    backbone = tiny_backbone("llava")
    given = backbone.image_processor

    class Sized:
        def __call__(self, **options: Any) -> dict[str, Any]:
            return dict(given(**options)) | {"image_sizes": torch.tensor([[32, 32]])}

    backbone.family.image_processor = Sized()
    with pytest.raises(BenchError, match="gives image_sizes, which the adapter Llava would drop"):
        backbone.answer([QUERIES[1]])


def test_a_picture_of_another_size_than_the_configuration_says_is_refused() -> None:
    backbone = tiny_backbone("llava")
    backbone.model.config.vision_config.patch_size = 8
    with pytest.raises(BenchError, match="gave 4 visual tokens, not 16"):
        backbone.answer([QUERIES[1]])


# ---- chat templates


@pytest.mark.parametrize("family", CHAT)
def test_contexts_stand_inside_the_users_turn(family: str) -> None:
    backbone = tiny_backbone(family)
    for image in (None, tiny_picture(4)):
        told = backbone.edited(Edit((Context("name the colour of "),)))
        plain = Query("name the colour of a ball", image)
        assert told.logits([Query("a ball", image)], ["blue"])[0].equal(backbone.logits([plain], ["blue"])[0])


PUBLISHED_GEMMA = (
    "{{ bos_token }}{% for message in messages %}{{ '<turn>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}"
    "{% for item in message['content'] %}{% if item['type'] == 'image' %}{{ '<boi>' }}"
    "{% elif item['type'] == 'text' %}{{ item['text'] | trim }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<end>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<turn>model\n' }}{% endif %}"
)
"""Of the form that Gemma 3 is published with: <s> from a variable, texts without outer white space."""


def test_gemma_reads_a_template_of_the_published_form_as_its_processor_does() -> None:
    tiny = tiny_backbone("gemma3")
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = PUBLISHED_GEMMA
    backbone = Backbone("tiny-gemma3", tiny.model, tokenizer, tiny.image_processor)
    assert backbone.family.lead == ""
    for prompt in ("what is this?", "  what is this? ", "New Fact: a fox\n\nwhat is this?\n"):
        for image in (None, tiny_picture(1)):
            (own,) = backbone.logits([Query(prompt, image)], ["paris"])
            answer = backbone.answer_ids("paris")
            plain = hf_logits(backbone, Query(prompt, image), answer)[-len(answer) - 1 : -1]
            assert torch.allclose(own, plain, atol=1e-4)
    # a context ends in white space that is trimmed only where nothing follows it
    view = backbone.edited(Edit((Context("New Fact: what is this? a red fox\nwhere? in the snow\n\n"),)))
    for image in (None, tiny_picture(1)):
        told = Query(f"{view.context}name the colour", image)
        assert view.answer([Query("name the colour", image)], 6) == backbone.answer([told], 6)


@pytest.mark.parametrize("family", CHAT)
def test_a_prompt_with_a_placeholder_and_a_tokenizer_without_template_are_refused(family: str) -> None:
    backbone = tiny_backbone(family)
    mark = {"gemma3": "<boi>", "internvl": "<IMG_CONTEXT>", **dict.fromkeys(QWEN, "<|image_pad|>")}.get(
        family, "<image>"
    )
    for image in (None, tiny_picture(0)):
        with pytest.raises(BenchError, match="a prompt may not hold one"):
            backbone.answer([Query(f"what is {mark}?", image)])
    with pytest.raises(BenchError, match=r"put chat_template\.jinja beside"):
        Backbone("x", backbone.model, tiny_tokenizer(), tiny_image_processor(family))


def test_an_answer_follows_a_space_unless_the_question_ends_in_white_space() -> None:
    leads = {family: tiny_backbone(family).family.lead for family in (*KNOWN, *TWINS)}
    lines = dict.fromkeys(("gemma3", *QWEN, "llava_onevision", "internvl"), "")
    assert leads == dict.fromkeys((*KNOWN, *TWINS), " ") | lines


def test_a_chat_template_is_part_of_the_digest() -> None:
    backbone = tiny_backbone("llava")
    before = backbone.digest
    backbone.tokenizer.chat_template = backbone.tokenizer.chat_template + " "
    try:
        assert backbone.digest != before
    finally:
        backbone.tokenizer.chat_template = CHAT["llava"]
    assert backbone.digest == before


# ---- where an answer ends


def test_an_answer_ends_at_any_of_its_end_tokens_and_targets_close_with_the_first() -> None:
    plain = tiny_backbone("opt")
    (query,) = QUERIES[:1]
    row = plain._encoder.row(query)
    token = int(plain.logits([query], ["x"])[0][0].argmax())
    name = plain.tokenizer.convert_ids_to_tokens(token)
    parts = (plain.model, plain.tokenizer, plain.image_processor)
    ended = Backbone("x", *parts, ends=(name,))
    assert row == ended._encoder.row(query)
    assert plain.answer([query], 5) != ended.answer([query], 5) == [""]
    assert ended.answer_ids("x") == (*plain.answer_ids("x")[:-1], token)
    assert ended.family.ends == {token, plain.tokenizer.eos_token_id}
    assert ended.digest != plain.digest
    newline = Backbone("x", *parts, ends=("</s>", "Ċ"))
    assert plain.tokenizer.decode(max(newline.family.ends)) == "\n"
    with pytest.raises(BenchError, match=r"end 'New Fact' .* is 2 tokens"):
        Backbone("x", *parts, ends=("New Fact",))


def test_end_tokens_of_the_checkpoints_own_settings_count() -> None:
    model = tiny_model("llama")
    model.generation_config.eos_token_id = [2, 7]
    found = family_of(model)(model, tiny_tokenizer(), tiny_image_processor("llama"), "{prompt}")
    assert found.ends == {2, 7} and found.closing == 2


def test_models_without_an_adapter_are_named() -> None:
    with pytest.raises(BenchError, match=r"no adapter for '\?' models \(known: blip-2, llava, gemma3, "):
        family_of(torch.nn.Linear(1, 1))
