"""What parts of MiniGPT-4 are called where they are published, and in transformers' BLIP-2.

Published are: EVA ViT-g and the Q-Former under the names of LAVIS (salesforce/LAVIS,
lavis/models/eva_vit.py and blip2_models/), the projection under that of MiniGPT-4
(Vision-CAIR/MiniGPT-4, minigpt4/models/mini_gpt4.py), Vicuna under those of transformers' Llama.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from mmedit_bench.errors import BenchError

Named = Iterable[tuple[str, Tensor]]

_NORM = "vision_model.post_layernorm."
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_IN_BLOCK = {
    "norm1": "layer_norm1", "norm2": "layer_norm2", "attn.qkv": "self_attn.qkv",
    "attn.proj": "self_attn.projection", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
}  # fmt: skip
_OF_TOWER = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
}
_UNUSED_OF_TOWER = re.compile(r"(norm|fc_norm|head)\.(weight|bias)|mask_token")
"""Of EVA's own pretraining; LAVIS takes the last block's output as it is."""
_UNUSED_OF_QFORMER = re.compile(
    r"embeddings\.(word_embeddings|position_embeddings|position_ids).*"
    r"|encoder\.layer\.\d+\.(intermediate\.dense|output\.(dense|LayerNorm))\..*"
)
"""For text, which the queries never read."""


def of_tower(held: Named, layers: int) -> Iterator[tuple[str, Tensor]]:
    """EVA ViT-g as `vision_model`, with its first `layers` blocks.

    The published file has one block more, which LAVIS does not build. Queries and values have biases,
    keys have none: zeros stand in their place. Raises `BenchError` for a weight that is not of this tower.
    """
    biases: dict[int, dict[str, Tensor]] = {}
    for given, tensor in held:
        name = given.removeprefix("visual_encoder.")
        if given.startswith(_NORM):
            continue  # goes with the Q-Former that was trained behind it
        if given.startswith("vision_model."):
            yield given, tensor
        elif name in _OF_TOWER:
            yield f"vision_model.{_OF_TOWER[name]}", tensor
        elif found := _BLOCK.fullmatch(name):
            number, inner = int(found[1]), found[2]
            if number >= layers:
                continue
            root = f"vision_model.encoder.layers.{number}"
            module, _, kind = inner.rpartition(".")
            if inner in ("attn.q_bias", "attn.v_bias"):
                own = biases.setdefault(number, {})
                own[kind] = tensor
                if len(own) == 2:
                    query, value = own["q_bias"], own["v_bias"]
                    yield f"{root}.self_attn.qkv.bias", torch.cat([query, torch.zeros_like(query), value])
            elif module in _IN_BLOCK:
                yield f"{root}.{_IN_BLOCK[module]}.{kind}", tensor
            else:
                raise BenchError(f"the vision tower has {given}, which EVA ViT-g has not")
        elif given != name and not _UNUSED_OF_TOWER.fullmatch(name):
            raise BenchError(f"the vision tower has {given}, which EVA ViT-g has not")


def of_qformer(held: Named) -> Iterator[tuple[str, Tensor]]:
    """Q-Former, query tokens and the norm between tower and Q-Former; what else the file has is left out.

    Raises `BenchError` for a weight of the Q-Former that BLIP-2's has not.
    """
    for given, tensor in held:
        name = given.removeprefix("Qformer.bert.")
        if given.startswith("ln_vision."):
            yield given.replace("ln_vision.", _NORM), tensor
        elif given.startswith((_NORM, "qformer.", "query_tokens")):
            yield given, tensor
        elif given == name or _UNUSED_OF_QFORMER.fullmatch(name):
            continue
        elif name.startswith("embeddings.LayerNorm."):
            yield name.replace("embeddings.LayerNorm", "qformer.layernorm"), tensor
        elif name.startswith("encoder.layer."):
            yield f"qformer.{name.replace('attention.self.', 'attention.attention.')}", tensor
        else:
            raise BenchError(f"the Q-Former has {given}, which BLIP-2's has not")


def of_projection(held: Named) -> Iterator[tuple[str, Tensor]]:
    """MiniGPT-4's projection. What else its training saved is left out."""
    for name, tensor in held:
        if name.startswith("llama_proj."):
            yield name.replace("llama_proj", "language_projection"), tensor


def of_language_model(held: Named) -> Iterator[tuple[str, Tensor]]:
    """A causal Llama as `language_model`, without the tables of angles that older files hold."""
    for name, tensor in held:
        if not name.endswith("rotary_emb.inv_freq"):
            yield f"language_model.{name}", tensor
