"""Random backbones of every known family, small enough to build in a test, and things to ask them."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.forcing import Forced
from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe, Query
from tests import tiny_towers as towers
from tests.tiny_qwen import QWEN, QWEN_CHAT, QWEN_SPECIALS, qwen_image_processor, qwen_model

FAMILIES = ("opt", "llama")
"""BLIP-2 with the text models of the shipped backbones."""
KNOWN = (*FAMILIES, "qwen2", "gemma3-text", "llava", "gemma3", *QWEN, *towers.KNOWN)
"""BLIP-2 with other text models, and families with a chat template."""
TWINS = towers.TWINS
"""Kinds whose parts are those of known ones: held to the whole model, not to every editor again."""
CHAT = {
    "llava": (
        "USER: {% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}<image>\n"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %} ASSISTANT:"
    ),
    "gemma3": (
        "<s><turn>user\n{% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}<boi>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<end>\n{{ '<turn>model\\n' }}"
    ),
    **QWEN_CHAT,
    **towers.CHAT,
}
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<image>")
SENTENCES = (
    "what is shown in the picture? a red fox in the snow",
    "which city is the capital of this country? paris or lisbon",
    "New Fact: what is this? a lighthouse\nPrompt: name the thing in the picture. a lighthouse\n\n",
    "name the colour of the ball. green, blue, yellow",
    "on which continent does the animal live? africa, asia, europe",
)


@functools.cache
def tiny_tokenizer(family: str = "opt") -> PreTrainedTokenizerFast:
    """Byte-level BPE of 400 tokens over a few sentences; with <s> and a chat template where it needs one."""
    marks = towers.MARKS.get(family, ("<boi>", "<eoi>", "<turn>", "<end>"))
    specials = (*SPECIALS, *marks) if family in CHAT else SPECIALS
    if family in QWEN:
        specials = (*SPECIALS[:-1], *QWEN_SPECIALS)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(specials), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(SENTENCES * 3, trainer)
    if family in CHAT and family not in QWEN:
        bpe.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", specials.index("<s>"))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=None if family in QWEN else "<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=list(specials[4:]),
        chat_template=CHAT.get(family),
    )


def tiny_model(family: str, seed: int = 0, max_positions: int = 512) -> Any:
    """Random weights: hidden 32, 2 decoder layers, 4 visual tokens, pictures of 32 pixels."""
    tokenizer = tiny_tokenizer(family)
    text: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": max_positions,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        # Gemma scales its embeddings: with a tied head a random one would repeat the token it reads
        "tie_word_embeddings": not family.startswith(("gemma3", "qwen3-vl")),
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if family in QWEN:
            model = qwen_model(family, tokenizer, text)
        else:
            model = _BUILDERS.get(family, _blip2)(tokenizer, _text_config(family, text))
        # wide weights: with the usual small ones every answer repeats one token and pictures hardly matter
        for number, parameter in enumerate(model.parameters()):
            if parameter.ndim > 1:
                # seeded one by one: another number of positions leaves all other weights as they are
                nn.init.normal_(
                    parameter, std=0.3, generator=torch.Generator().manual_seed(1000 * seed + number)
                )
        # a loud </s>, so that answers end at different lengths
        head = model.get_input_embeddings() if text["tie_word_embeddings"] else model.get_output_embeddings()
        head.weight.data[tokenizer.eos_token_id] *= 3
        if family in towers.BUILDERS:
            # a placeholder is never written: what is, is read again by the whole model
            head.weight.data[model.config.image_token_id] = 0
        if family.startswith("gemma3") or family == "qwen3-vl":
            # norms that do something: they begin at 1 + 0, or at 1
            for number, (name, parameter) in enumerate(sorted(model.named_parameters())):
                if name.endswith(("q_norm.weight", "k_norm.weight")):
                    mean = float(family == "qwen3-vl")
                    nn.init.normal_(parameter, mean, std=0.5, generator=torch.Generator().manual_seed(number))
    return model


def _text_config(family: str, text: dict[str, Any]) -> Any:
    family = towers.TEXTS.get(family, family)
    if family == "mistral":  # with a window, as its first version has one
        return MistralConfig(intermediate_size=48, num_key_value_heads=1, sliding_window=24, **text)
    if family == "opt":
        return OPTConfig(ffn_dim=64, word_embed_proj_dim=32, dropout=0.0, attention_dropout=0.0, **text)
    if family == "qwen2":  # two query heads read one key head; q, k, v have biases
        return Qwen2Config(intermediate_size=48, num_key_value_heads=1, **text)
    if family.startswith("gemma3"):
        # a window that tiny inputs outgrow; rotation by 10000 in its layer and by 1000000 in the other
        return Gemma3TextConfig(
            intermediate_size=48, num_key_value_heads=1, head_dim=16, query_pre_attn_scalar=16,
            sliding_window=6, layer_types=["sliding_attention", "full_attention"], **text,
        )  # fmt: skip
    return LlamaConfig(intermediate_size=48, num_key_value_heads=2, **text)


def _blip2(tokenizer: Any, text_config: Any) -> Any:
    vision = Blip2VisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
    )
    qformer = Blip2QFormerConfig(
        vocab_size=8,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        cross_attention_frequency=1,
        encoder_hidden_size=16,
        max_position_embeddings=8,
    )
    return Blip2ForConditionalGeneration(
        Blip2Config(
            vision_config=vision.to_dict(),
            qformer_config=qformer.to_dict(),
            text_config=text_config.to_dict(),
            num_query_tokens=4,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )


_TOWER = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 32,
}  # fmt: skip


def _llava(tokenizer: Any, text_config: Any) -> Any:
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(patch_size=16, projection_dim=16, **_TOWER),
            text_config=text_config,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            tie_word_embeddings=text_config.tie_word_embeddings,
        )
    )


def _gemma3(tokenizer: Any, text_config: Any) -> Any:
    names = {"image_token_index": "<image>", "boi_token_index": "<boi>", "eoi_token_index": "<eoi>"}
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            vision_config=SiglipVisionConfig(patch_size=8, **_TOWER),
            text_config=text_config,
            mm_tokens_per_image=4,
            tie_word_embeddings=text_config.tie_word_embeddings,
            **{name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()},
        )
    )


_BUILDERS = {"llava": _llava, "gemma3": _gemma3, **towers.BUILDERS}


def tiny_image_processor(family: str) -> Any:
    """The family's own processor, at 32 pixels where pictures have one size."""
    if family in QWEN:
        return qwen_image_processor()
    size = {"height": 32, "width": 32}
    if family in towers.BUILDERS:
        return towers.tower_image_processor(family)
    if family == "llava":
        return CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)
    return (Gemma3ImageProcessorPil if family == "gemma3" else BlipImageProcessorPil)(size=size)


def tiny_backbone(
    family: str,
    seed: int = 0,
    max_positions: int = 512,
    template: str = "{prompt}",
    dtype: str = "float32",
    device: str = "cpu",
) -> Backbone:
    """A fresh random backbone of one of the `KNOWN` families, named tiny-opt, tiny-llama and so on."""
    model = tiny_model(family, seed, max_positions).to(device, getattr(torch, dtype))
    return Backbone(
        f"tiny-{family}", model, tiny_tokenizer(family), tiny_image_processor(family), template=template
    )


def tiny_picture(seed: int = 0, width: int = 32, height: int = 32) -> ImageRef:
    """A picture of 4 x 4 random coarse patches."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (4, 4, 3), generator=generator, dtype=torch.uint8).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST).save(buffer, "PNG")
    data = buffer.getvalue()
    return ImageRef(hashlib.sha256(data).hexdigest(), lambda: data)


THINGS = ("fox", "lighthouse", "ball", "lion", "city", "snow", "country", "animal", "picture", "lisbon")
PLACES = ("paris", "lisbon", "africa", "asia", "europe")


def tiny_cases(count: int, split: str = "train") -> tuple[EditCase, ...]:
    """Cases about made-up facts, with one probe of five kinds each."""
    return tuple(_tiny_case(number, split) for number in range(count))


def _tiny_case(number: int, split: str) -> EditCase:
    thing, target = THINGS[number % len(THINGS)], f"{PLACES[number % len(PLACES)]} {number}"
    other = tiny_picture(number + 1000)
    request = EditRequest(
        f"{split}-{number}", Query(f"where does the {thing} live?", tiny_picture(number)), target
    )
    asked = (
        ("reliability", request.query, target),
        ("text_generality", Query(f"name the place of the {thing}.", request.query.image), target),
        ("image_generality", Query(request.query.prompt, other), target),
        ("text_locality", Query(f"which colour is ball {number}?"), f"blue {number}"),
        ("image_locality", Query("what is shown in the picture?", other), "a red fox"),
    )
    probes = tuple(Probe(f"{request.id}/p{i:02}", *each) for i, each in enumerate(asked))
    return EditCase(request, probes, "vqa", split, "correction")


def same_readings(found: Sequence[Forced], wanted: Sequence[Forced]) -> bool:
    """Whether targets and most likely tokens are the same, and log-probabilities but for their last bits."""
    return all(
        (one.target_ids, one.argmax_ids) == (other.target_ids, other.argmax_ids)
        and torch.allclose(torch.tensor(one.logprobs), torch.tensor(other.logprobs), atol=1e-4)
        for one, other in zip(found, wanted, strict=True)
    )
