"""The two mini backbones: one `Blip2ForConditionalGeneration`, an OPT or a Llama text model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    LlamaConfig,
    OPTConfig,
)


@dataclass(frozen=True)
class Sizes:
    """Widths and depths; the defaults are the shipped backbones' (about 5 M parameters)."""

    side: int = 64
    patch: int = 16
    vision_width: int = 192
    vision_layers: int = 4
    queries: int = 8
    qformer_width: int = 144
    qformer_layers: int = 2
    text_width: int = 160
    text_layers: int = 6
    text_heads: int = 5
    positions: int = 512
    vocabulary: int = 3000


@dataclass(frozen=True)
class Vocabulary:
    """What a model has to know of its tokenizer."""

    size: int
    bos: int
    pad: int
    eos: int
    image: int

    @classmethod
    def of(cls, tokenizer: Any) -> Self:
        """Read off a tokenizer that has an `<image>` token."""
        image = tokenizer.convert_tokens_to_ids("<image>")
        return cls(
            len(tokenizer), tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id, image
        )


def build_eyes(sizes: Sizes) -> Blip2ForConditionalGeneration:
    """A model whose text part is a mere stub, for training vision tower and Q-Former."""
    stub = replace(sizes, text_width=32, text_layers=1, text_heads=1)
    return build_model("opt", Vocabulary(16, 0, 1, 2, 4), stub)


def build_model(family: str, vocabulary: Vocabulary, sizes: Sizes) -> Blip2ForConditionalGeneration:
    """A freshly initialised model; `family` is "opt" or "llama". Uses torch's global generator."""
    vision = Blip2VisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=4 * sizes.vision_width,
        num_hidden_layers=sizes.vision_layers,
        num_attention_heads=max(1, sizes.vision_width // 48),
        image_size=sizes.side,
        patch_size=sizes.patch,
        initializer_range=0.02,
    )
    qformer = Blip2QFormerConfig(
        vocab_size=8,
        hidden_size=sizes.qformer_width,
        intermediate_size=4 * sizes.qformer_width,
        num_hidden_layers=sizes.qformer_layers,
        num_attention_heads=max(1, sizes.qformer_width // 48),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        cross_attention_frequency=1,
        encoder_hidden_size=sizes.vision_width,
        max_position_embeddings=8,
    )
    shared = {
        "vocab_size": vocabulary.size,
        "hidden_size": sizes.text_width,
        "num_hidden_layers": sizes.text_layers,
        "num_attention_heads": sizes.text_heads,
        "max_position_embeddings": sizes.positions,
        "bos_token_id": vocabulary.bos,
        "pad_token_id": vocabulary.pad,
        "eos_token_id": vocabulary.eos,
        "tie_word_embeddings": True,
    }
    text: OPTConfig | LlamaConfig
    if family == "opt":
        text = OPTConfig(
            ffn_dim=4 * sizes.text_width,
            word_embed_proj_dim=sizes.text_width,
            dropout=0.0,
            attention_dropout=0.0,
            **shared,
        )
    elif family == "llama":
        gated = int(8 * sizes.text_width / 3) // 16 * 16
        text = LlamaConfig(intermediate_size=gated, num_key_value_heads=sizes.text_heads, **shared)
    else:
        raise ValueError(f"family {family!r} is neither 'opt' nor 'llama'")
    config = Blip2Config(
        vision_config=vision.to_dict(),
        qformer_config=qformer.to_dict(),
        text_config=text.to_dict(),
        num_query_tokens=sizes.queries,
        image_token_index=vocabulary.image,
    )
    model = Blip2ForConditionalGeneration(config)
    # transformers leaves the queries at zero, and equal queries never part without dropout
    torch.nn.init.normal_(model.query_tokens, std=0.5)
    return model
