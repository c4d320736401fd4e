"""Small random parts of MiniGPT-4, in the layouts in which they are published."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from mmedit_bench.backbones.published import PUBLISHED
from tests.backbones.test_wording import llama_tokenizer

WIDTH, INNER, SIDE, PATCH, BLOCKS, HEADS = 16, 24, 32, 16, 2, 2
NARROW, LAYERS, EVERY, QUERIES = 12, 3, 2, 4
TEXT, DEPTH = 32, 2
EPS = 1e-6


class Drawn:
    """Random weights by name."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self.held: dict[str, Tensor] = {}

    def put(self, name: str, *shape: int, about: float = 0.0) -> None:
        self.held[name] = about + 0.3 * torch.randn(*shape, generator=self._generator)

    def linear(self, name: str, out: int, into: int) -> None:
        self.put(f"{name}.weight", out, into)
        self.put(f"{name}.bias", out)

    def norm(self, name: str, width: int) -> None:
        self.put(f"{name}.weight", width, about=1.0)
        self.put(f"{name}.bias", width)


def tower(blocks: int = BLOCKS + 1) -> dict[str, Tensor]:
    """EVA as published: a block more than is used, and what its own pretraining left."""
    drawn = Drawn(1)
    drawn.put("cls_token", 1, 1, WIDTH)
    drawn.put("pos_embed", 1, (SIDE // PATCH) ** 2 + 1, WIDTH)
    drawn.put("patch_embed.proj.weight", WIDTH, 3, PATCH, PATCH)
    drawn.put("patch_embed.proj.bias", WIDTH)
    for n in range(blocks):
        at = f"blocks.{n}"
        drawn.norm(f"{at}.norm1", WIDTH)
        drawn.put(f"{at}.attn.q_bias", WIDTH)
        drawn.put(f"{at}.attn.v_bias", WIDTH)
        drawn.put(f"{at}.attn.qkv.weight", 3 * WIDTH, WIDTH)
        drawn.linear(f"{at}.attn.proj", WIDTH, WIDTH)
        drawn.norm(f"{at}.norm2", WIDTH)
        drawn.linear(f"{at}.mlp.fc1", INNER, WIDTH)
        drawn.linear(f"{at}.mlp.fc2", WIDTH, INNER)
    drawn.norm("fc_norm", WIDTH)
    drawn.linear("head", 8, WIDTH)
    return drawn.held


def qformer() -> dict[str, Tensor]:
    """A BLIP-2 checkpoint of stage two: also a projection of its own and what only reads text."""
    drawn = Drawn(2)
    drawn.put("query_tokens", 1, QUERIES, NARROW)
    drawn.norm("ln_vision", WIDTH)
    root = "Qformer.bert"
    drawn.norm(f"{root}.embeddings.LayerNorm", NARROW)
    drawn.put(f"{root}.embeddings.position_ids", 1, 8)
    for n in range(LAYERS):
        at = f"{root}.encoder.layer.{n}"
        for name, width in (("attention", NARROW), *([("crossattention", WIDTH)] if n % EVERY == 0 else [])):
            drawn.linear(f"{at}.{name}.self.query", NARROW, NARROW)
            drawn.linear(f"{at}.{name}.self.key", NARROW, width)
            drawn.linear(f"{at}.{name}.self.value", NARROW, width)
            drawn.linear(f"{at}.{name}.output.dense", NARROW, NARROW)
            drawn.norm(f"{at}.{name}.output.LayerNorm", NARROW)
        for ending in ("", "_query"):
            drawn.linear(f"{at}.intermediate{ending}.dense", INNER, NARROW)
            drawn.linear(f"{at}.output{ending}.dense", NARROW, INNER)
            drawn.norm(f"{at}.output{ending}.LayerNorm", NARROW)
    drawn.linear("t5_proj", 20, NARROW)
    return drawn.held


def projection() -> dict[str, Tensor]:
    drawn = Drawn(3)
    drawn.linear("llama_proj", TEXT, NARROW)
    return drawn.held


def language_model(folder: Path, pickled: bool = False) -> dict[str, Tensor]:
    """Writes a small Vicuna, its tokenizer included."""
    tokenizer = llama_tokenizer()
    tokenizer.add_tokens(list(PUBLISHED["minigpt4-7b"].ends))
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 3, hidden_size=TEXT, intermediate_size=40, num_hidden_layers=DEPTH,
        num_attention_heads=HEADS, num_key_value_heads=HEADS, max_position_embeddings=128, rms_norm_eps=EPS,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=None,
        tie_word_embeddings=False,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = LlamaForCausalLM(config)
        for weight in model.parameters():
            weight.data = weight.data + 0.2 * torch.randn(weight.shape)
    model.save_pretrained(folder, max_shard_size="20KB")
    tokenizer.save_pretrained(folder)
    held = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if pickled:
        names = sorted(held)
        files = {f"pytorch_model-{i}.bin": names[i::2] for i in range(2)}
        for file, own in files.items():
            old = (
                {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
                if file.endswith("0.bin")
                else {}
            )
            torch.save({**{name: held[name] for name in own}, **old}, folder / file)
        for file in folder.glob("*.safetensors*"):
            file.unlink()
        weight_map = {name: file for file, own in files.items() for name in own}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return held


def config() -> dict[str, Any]:
    """The published configuration at small size."""
    fields = copy.deepcopy(PUBLISHED["minigpt4-7b"].config().to_dict())
    fields["num_query_tokens"] = QUERIES
    fields["vision_config"] |= {
        "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": BLOCKS,
        "num_attention_heads": HEADS, "image_size": SIDE, "patch_size": PATCH,
    }  # fmt: skip
    fields["qformer_config"] |= {
        "hidden_size": NARROW, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "cross_attention_frequency": EVERY, "encoder_hidden_size": WIDTH,
        "vocab_size": 8, "max_position_embeddings": 8,
    }  # fmt: skip
    return fields


def written(folder: Path, *, pickled: bool = False, without: Sequence[str] = ()) -> dict[str, Path]:
    """All parts as files; what `assemble_minigpt4` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vicuna").mkdir()
    language_model(folder / "vicuna", pickled)
    torch.save({name: x for name, x in tower().items() if name not in without}, folder / "eva_vit_g.pth")
    saved = {name: x for name, x in qformer().items() if name not in without}
    torch.save({"model": saved}, folder / "blip2.pth")
    training = {
        "model": projection(),
        "optimizer": {"state": {0: torch.ones(3)}},
        "epoch": 4,
        "config": {"a": 1},
    }
    torch.save(training, folder / "minigpt4.pth")
    (folder / "config.json").write_text(json.dumps(config()))
    return {
        "vision": folder / "eva_vit_g.pth",
        "qformer": folder / "blip2.pth",
        "projection": folder / "minigpt4.pth",
        "language_model": folder / "vicuna",
        "config": folder / "config.json",
    }
