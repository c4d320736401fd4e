"""MiniGPT-4's parts by their formulas, one head and one position at a time, on published names."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import gelu, silu

Weights = Mapping[str, Tensor]


def linear(held: Weights, name: str, x: Tensor) -> Tensor:
    """x W^T + b."""
    product = x @ held[f"{name}.weight"].T
    return product + held[f"{name}.bias"] if f"{name}.bias" in held else product


def norm(held: Weights, name: str, x: Tensor, eps: float) -> Tensor:
    """Layer norm."""
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return scaled * held[f"{name}.weight"] + held[f"{name}.bias"]


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, causal: bool = False) -> Tensor:
    """Softmax attention of q [n, d] on k, v [m, d]."""
    size = q.shape[1] // heads
    out = torch.zeros(len(q), v.shape[1])
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        for i in range(len(q)):
            until = i + 1 if causal else len(k)
            shares = (k[:until, own] @ q[i, own] / math.sqrt(size)).softmax(0)
            out[i, own] = shares @ v[:until, own]
    return out


def tower(held: Weights, pixels: Tensor, blocks: int, heads: int) -> Tensor:
    """EVA ViT: pixels [3, h, w] -> [1 + patches, width], without a last norm."""
    kernel = held["patch_embed.proj.weight"]
    side = kernel.shape[-1]
    rows = []
    for top in range(0, pixels.shape[1], side):
        for left in range(0, pixels.shape[2], side):
            patch = pixels[:, top : top + side, left : left + side]
            rows.append((kernel * patch).sum((1, 2, 3)) + held["patch_embed.proj.bias"])
    x = torch.cat([held["cls_token"][0], torch.stack(rows)]) + held["pos_embed"][0]
    for n in range(blocks):
        at = f"blocks.{n}"
        read = norm(held, f"{at}.norm1", x, 1e-6)
        q, k, v = (read @ held[f"{at}.attn.qkv.weight"].T).chunk(3, dim=1)
        mixed = attend(q + held[f"{at}.attn.q_bias"], k, v + held[f"{at}.attn.v_bias"], heads)
        x = x + linear(held, f"{at}.attn.proj", mixed)
        read = norm(held, f"{at}.norm2", x, 1e-6)
        x = x + linear(held, f"{at}.mlp.fc2", gelu(linear(held, f"{at}.mlp.fc1", read)))
    return x


def queries(held: Weights, seen: Tensor, layers: int, heads: int, every: int) -> Tensor:
    """Q-Former: patches [m, width] -> [queries, width]."""
    root = "Qformer.bert"
    x = norm(held, f"{root}.embeddings.LayerNorm", held["query_tokens"][0], 1e-12)
    for n in range(layers):
        at = f"{root}.encoder.layer.{n}"
        looks = [("attention", x)] + ([("crossattention", seen)] if n % every == 0 else [])
        for name, other in looks:
            other = x if name == "attention" else other
            own = f"{at}.{name}"
            q, k, v = (
                linear(held, f"{own}.self.{which}", source)
                for which, source in (("query", x), ("key", other), ("value", other))
            )
            mixed = linear(held, f"{own}.output.dense", attend(q, k, v, heads))
            x = norm(held, f"{own}.output.LayerNorm", x + mixed, 1e-12)
        inner = gelu(linear(held, f"{at}.intermediate_query.dense", x))
        x = norm(
            held, f"{at}.output_query.LayerNorm", x + linear(held, f"{at}.output_query.dense", inner), 1e-12
        )
    return x


def llama(held: Weights, x: Tensor, layers: int, heads: int, eps: float, theta: float = 10000.0) -> Tensor:
    """Llama from input embeddings [n, d]: logits [n, vocabulary]; as many key heads as query heads."""

    def rms(name: str, x: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * held[f"{name}.weight"]

    def rotated(x: Tensor) -> Tensor:
        size = x.shape[1] // heads
        out = x.clone()
        for position in range(len(x)):
            for head in range(heads):
                for i in range(size // 2):
                    a, b = head * size + i, head * size + i + size // 2
                    angle = torch.tensor(position * theta ** (-2 * i / size))
                    one, two = x[position, a], x[position, b]
                    out[position, a] = one * angle.cos() - two * angle.sin()
                    out[position, b] = two * angle.cos() + one * angle.sin()
        return out

    for n in range(layers):
        at = f"model.layers.{n}"
        read = rms(f"{at}.input_layernorm", x)
        q, k, v = (linear(held, f"{at}.self_attn.{which}_proj", read) for which in "qkv")
        mixed = attend(rotated(q), rotated(k), v, heads, causal=True)
        x = x + linear(held, f"{at}.self_attn.o_proj", mixed)
        read = rms(f"{at}.post_attention_layernorm", x)
        gate, up = (linear(held, f"{at}.mlp.{which}_proj", read) for which in ("gate", "up"))
        x = x + linear(held, f"{at}.mlp.down_proj", silu(gate) * up)
    return linear(held, "lm_head", rms("model.norm", x))
