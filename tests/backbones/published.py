"""Inputs and logits of Hugging Face's whole models, as their own processors or documentation have them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Gemma3Processor

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from tests.backbones.published_qwen import qwen_processor
from tests.backbones.published_towers import tower_processor
from tests.tiny import CHAT


def processor_of(backbone: Backbone) -> Any:
    """The family's own processor, made of the same parts."""
    tokenizer = backbone.tokenizer
    if backbone.anatomy.name.startswith("qwen"):
        return qwen_processor(backbone)
    if backbone.model.config.model_type != "gemma3":
        return tower_processor(backbone.model, tokenizer, backbone.image_processor)
    names = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<image>"}
    for name, token in names.items():
        setattr(tokenizer, name, token)
        setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
    return Gemma3Processor(
        backbone.image_processor, tokenizer, chat_template=tokenizer.chat_template, image_seq_length=4
    )


def hf_inputs(backbone: Backbone, query: Query, tail: tuple[int, ...] = ()) -> dict[str, Tensor]:
    """One unpadded input for the whole Hugging Face model, as its own processor or documentation has it."""
    tokenizer, config = backbone.tokenizer, backbone.model.config
    images = [query.image.open()] if query.image else None
    if backbone.name.removeprefix("tiny-") in CHAT:
        content = [{"type": "image", "image": images[0]}] if images else []
        turn = [{"role": "user", "content": [*content, {"type": "text", "text": query.prompt}]}]
        processor = processor_of(backbone)
        given = dict(
            processor.apply_chat_template(
                turn, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
            )
        )
        given.pop("num_crops", None)
        more = torch.tensor([tail], dtype=torch.long)
        given["input_ids"] = torch.cat([given["input_ids"], more], dim=1)
        for name in given.keys() & {"token_type_ids", "mm_token_type_ids"}:
            given[name] = torch.cat([given[name], torch.zeros_like(more)], dim=1)
        return given | {"attention_mask": torch.ones_like(given["input_ids"])}
    ids = [tokenizer.bos_token_id, *tokenizer(query.prompt, add_special_tokens=False)["input_ids"], *tail]
    if images is None:
        return {"input_ids": torch.tensor([ids])}
    row = torch.tensor([[config.image_token_index] * config.num_query_tokens + ids])
    pixels = backbone.image_processor(images=images, return_tensors="pt")["pixel_values"]
    return {"input_ids": row, "attention_mask": torch.ones_like(row), "pixel_values": pixels}


def hf_logits(backbone: Backbone, query: Query, tail: tuple[int, ...] = ()) -> Tensor:
    """Logits [positions, vocabulary] of the whole input."""
    inputs = hf_inputs(backbone, query, tail)
    textual = backbone.anatomy.name.startswith("blip-2") and query.image is None
    with torch.no_grad():
        found: Tensor = (backbone.model.language_model if textual else backbone.model)(**inputs).logits[0]
    return found
