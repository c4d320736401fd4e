"""Random backbones of both text families, small enough to build in a test, and things to ask them."""

from __future__ import annotations

import functools
import hashlib
import io
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    LlamaConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe, Query

FAMILIES = ("opt", "llama")
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<image>")
SENTENCES = (
    "what is shown in the picture? a red fox in the snow",
    "which city is the capital of this country? paris or lisbon",
    "New Fact: what is this? a lighthouse\nPrompt: name the thing in the picture. a lighthouse\n\n",
    "name the colour of the ball. green, blue, yellow",
    "on which continent does the animal live? africa, asia, europe",
)


@functools.cache
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of 400 tokens over a few sentences."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(SPECIALS), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(SENTENCES * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=["<image>"],
    )


def tiny_model(family: str, seed: int = 0, max_positions: int = 512) -> Any:
    """A random BLIP-2: hidden 32, 2 decoder layers, 4 visual tokens, pictures of 32 pixels."""
    tokenizer = tiny_tokenizer()
    text: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": max_positions,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": True,
    }
    if family == "opt":
        text_config: Any = OPTConfig(
            ffn_dim=64, word_embed_proj_dim=32, dropout=0.0, attention_dropout=0.0, **text
        )
    else:
        text_config = LlamaConfig(intermediate_size=48, num_key_value_heads=2, **text)
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
    config = Blip2Config(
        vision_config=vision.to_dict(),
        qformer_config=qformer.to_dict(),
        text_config=text_config.to_dict(),
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Blip2ForConditionalGeneration(config)
        # wide weights: with the usual small ones every answer repeats one token and pictures hardly matter
        for number, parameter in enumerate(model.parameters()):
            if parameter.ndim > 1:
                # seeded one by one: another number of positions leaves all other weights as they are
                nn.init.normal_(
                    parameter, std=0.3, generator=torch.Generator().manual_seed(1000 * seed + number)
                )
        # a loud </s>, so that answers end at different lengths
        model.language_model.get_input_embeddings().weight.data[tokenizer.eos_token_id] *= 3
    return model


def tiny_backbone(
    family: str, seed: int = 0, max_positions: int = 512, template: str = "{prompt}"
) -> Backbone:
    """A fresh random backbone of family "opt" or "llama", named tiny-opt or tiny-llama."""
    processor = BlipImageProcessorPil(size={"height": 32, "width": 32})
    model = tiny_model(family, seed, max_positions)
    return Backbone(f"tiny-{family}", model, tiny_tokenizer(), processor, template=template)


def tiny_picture(seed: int = 0) -> ImageRef:
    """A picture of 32 x 32 random coarse patches."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (4, 4, 3), generator=generator, dtype=torch.uint8).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(buffer, "PNG")
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
    return EditCase(request, probes, "vqa", split, "counterfactual")
