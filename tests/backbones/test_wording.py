"""Where the picture stands in a template, and how an answer is tokenised behind it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Context, Edit
from tests.tiny import KNOWN, SENTENCES, tiny_backbone, tiny_image_processor, tiny_model, tiny_picture

MINIGPT4 = "###Human: <Img>{picture}</Img> {prompt} ###Assistant:"
PICTURE = tiny_picture(1)


def llama_tokenizer(words: tuple[str, ...] = ("###Human:", "</Img>", "###Assistant:")) -> Any:
    """Puts a mark before whatever it is given, as tokenizers of Llama's kind do."""
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # words stay apart, as in a vocabulary that has no piece across a space
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    bpe.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([*SENTENCES, " ".join(words)] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


def minigpt4(template: str = MINIGPT4) -> Backbone:
    return Backbone(
        "x", tiny_model("llama"), llama_tokenizer(), tiny_image_processor("llama"), template=template
    )


def test_the_picture_stands_where_the_template_says() -> None:
    backbone = minigpt4()
    tokenizer = backbone.tokenizer

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    row = backbone._encoder.row(Query("what is this?", PICTURE))
    before = [tokenizer.bos_token_id, *ids("###Human: <Img>")]
    after = ids("</Img> what is this? ###Assistant:")
    assert (list(row.ids), row.places) == ([*before, *after], (len(before),))
    # the whole model, with its placeholder tokens there
    model = backbone.model
    count, mark = model.config.num_query_tokens, model.config.image_token_index
    pixels = backbone.image_processor(images=[PICTURE.open()], return_tensors="pt")["pixel_values"]
    whole = torch.tensor([[*before, *[mark] * count, *after]])
    with torch.no_grad():
        logits = model(input_ids=whole, attention_mask=torch.ones_like(whole), pixel_values=pixels).logits
    own = backbone.logits([Query("what is this?", PICTURE)], ["paris"])[0]
    assert torch.allclose(own[0], logits[0, -1], atol=1e-4)


def test_without_a_picture_its_marks_are_left_out() -> None:
    backbone = minigpt4()
    row = backbone._encoder.row(Query("what is this?"))
    text = backbone.tokenizer("###Human: what is this? ###Assistant:", add_special_tokens=False)["input_ids"]
    assert (list(row.ids), row.places) == ([backbone.tokenizer.bos_token_id, *text], ())


@pytest.mark.parametrize("between", ["", " ", "\n"])
def test_white_space_behind_a_picture_goes_with_it(between: str) -> None:
    backbone = minigpt4(f"###Human: {{picture}}{between}{{prompt}} ###Assistant:")
    row = backbone._encoder.row(Query("what is this?"))
    text = backbone.tokenizer("###Human: what is this? ###Assistant:", add_special_tokens=False)["input_ids"]
    assert list(row.ids) == [backbone.tokenizer.bos_token_id, *text]


def test_a_context_stands_before_the_turn_and_is_read_once() -> None:
    backbone = minigpt4()
    fact = "New Fact: what is this? a lighthouse\nPrompt: name the thing in the picture. a lighthouse\n\n"
    view = backbone.edited(Edit((Context(fact),)))
    queries = [
        Query(prompt, picture) for prompt in ("what is this?", "where?") for picture in (PICTURE, None)
    ]
    shared = view.read(queries, ["paris"] * 4, 4)
    for query, (answer, forced) in zip(queries, shared, strict=True):
        assert view.answer([query], 4) == [answer]
        alone = view.score([query], ["paris"])[0]
        assert torch.allclose(torch.tensor(alone.logprobs), torch.tensor(forced.logprobs), atol=1e-4)


def test_a_prompt_may_not_hold_the_mark_of_a_picture() -> None:
    with pytest.raises(BenchError, match=r"2 times '\{picture\}' in"):
        minigpt4().answer([Query("what is {picture}?", PICTURE)])
    assert tiny_backbone("opt").answer([Query("what is {picture}?")], 2), "where none stands it is text"


def test_an_answer_begins_as_it_would_in_the_middle_of_a_text() -> None:
    backbone = minigpt4()
    tokens = backbone.tokenizer.convert_ids_to_tokens(backbone.answer_ids("paris or lisbon"))
    alone = backbone.tokenizer.convert_ids_to_tokens(backbone.text_ids(" paris or lisbon"))
    assert alone[0] == "▁" and tokens[:-1] == alone[1:], "without a mark that no model writes"
    question = backbone._encoder.row(Query("what is this?")).ids
    whole = "###Human: what is this? ###Assistant: paris or lisbon"
    joined = backbone.tokenizer(whole, add_special_tokens=False)["input_ids"]
    assert [*question[1:], *backbone.answer_ids("paris or lisbon")[:-1]] == joined


@pytest.mark.parametrize("family", KNOWN)
def test_tokenizers_without_such_a_mark_are_asked_as_ever(family: str) -> None:
    backbone = tiny_backbone(family)
    ids = backbone.text_ids(f"{backbone.family.lead}a red fox")
    assert backbone.answer_ids("a red fox") == (*ids, backbone.family.closing)
