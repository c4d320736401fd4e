"""Where the parts of an architecture live: one row of names per architecture, no class per model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from mmedit_bench.errors import BenchError


@dataclass(frozen=True)
class Anatomy:
    """Dotted module paths inside the Hugging Face model of a backbone.

    Names of FFN, activation and attention modules are relative to a decoder layer. FFN linears are
    in the order (fc1, fc2) or (gate, up, down): the first reads the layer's input, the last writes
    its output.
    """

    name: str
    layers: str
    ffn_names: tuple[str, ...]
    activation_name: str
    gated: bool
    attention_name: str
    attention_linears: tuple[str, ...]
    embeddings: str
    final_norm: str
    head: str = "language_model.lm_head"
    language_model: str = "language_model"
    vision: tuple[str, ...] = ("vision_model", "qformer", "language_projection")
    bridge: str = "qformer"
    """What turns pictures into the text model's tokens, as far as it has linear layers."""
    projector: str | None = "language_projection"
    """What takes visual tokens to the text model's width: a part with linear layers, or a parameter;
    None if it is no part of its own."""
    projected: str | None = None
    """Where the projector is a parameter: the module whose output it is multiplied with."""
    q_norm: str | None = None
    """Norm of each query head, relative to a self-attention; None if there is none."""
    k_norm: str | None = None
    layer_count: int = 0
    """Filled in by `anatomy_of`."""

    def layer(self, index: int) -> str:
        """Path of a decoder layer. Raises `BenchError` for a layer the model lacks."""
        if not 0 <= index < self.layer_count:
            raise BenchError(f"no layer {index}: the backbone has layers 0 to {self.layer_count - 1}")
        return f"{self.layers}.{index}"

    def ffn(self, layer: int) -> tuple[str, ...]:
        """Paths of a layer's feed-forward linears."""
        return tuple(f"{self.layer(layer)}.{name}" for name in self.ffn_names)

    def activation(self, layer: int) -> str:
        """Path of a layer's feed-forward activation."""
        return f"{self.layer(layer)}.{self.activation_name}"

    def attention(self, layer: int) -> str:
        """Path of a layer's self-attention."""
        return f"{self.layer(layer)}.{self.attention_name}"

    def layer_of(self, module: str) -> int:
        """First decoder layer that depends on the module.

        0 for everything below the decoder (embeddings, vision), `layer_count` for what comes after
        the last layer.
        """
        found = re.match(re.escape(self.layers) + r"\.(\d+)(\.|$)", module)
        if found:
            return int(found[1])
        return self.layer_count if _within(module, (self.head, self.final_norm)) else 0

    def in_language_model(self, module: str) -> bool:
        """True if visual tokens cannot depend on the module."""
        return _within(module, (self.language_model, self.head))


def _within(module: str, roots: tuple[str, ...]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def _gated(name: str, layers: str, **changes: Any) -> Anatomy:
    """A row of the Llama kind; `layers` is the path of the list of decoder layers."""
    root = layers.removesuffix(".layers")
    row = Anatomy(
        name=name,
        layers=layers,
        ffn_names=("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
        activation_name="mlp.act_fn",
        gated=True,
        attention_name="self_attn",
        attention_linears=("q_proj", "k_proj", "v_proj", "o_proj"),
        embeddings=f"{root}.embed_tokens",
        final_norm=f"{root}.norm",
    )
    return replace(row, **changes)


_NORMED = {"q_norm": "q_norm", "k_norm": "k_norm"}
_PROJECTED: dict[str, Any] = {
    "head": "lm_head",
    "language_model": "model.language_model",
    "vision": ("model.vision_tower", "model.multi_modal_projector"),
    "bridge": "model.multi_modal_projector",
    "projector": "model.multi_modal_projector",
}
"""A tower, a projector, and the head beside the text model."""
_CONNECTED: dict[str, Any] = {
    "head": "lm_head",
    "language_model": "model.text_model",
    "vision": ("model.vision_model", "model.connector"),
    "bridge": "model.connector",
    "projector": "model.connector",
}
"""The same, by the names of Idefics."""
_VISUAL: dict[str, Any] = {
    "head": "lm_head",
    "language_model": "model.language_model",
    "vision": ("model.visual",),
    "bridge": "model.visual.merger",
    "projector": "model.visual.merger",
}
"""The projector is the end of the tower; the head stands beside the text model."""
_BARE = {
    "bridge": "model.vision_tower.encoder",
    "projector": "model.multi_modal_projector.mm_input_projection_weight",
    "projected": "model.multi_modal_projector.mm_soft_emb_norm",
}

ROWS: dict[tuple[str, str], Anatomy] = {
    ("blip-2", "opt"): Anatomy(
        name="blip-2/opt",
        layers="language_model.model.decoder.layers",
        ffn_names=("fc1", "fc2"),
        activation_name="activation_fn",
        gated=False,
        attention_name="self_attn",
        attention_linears=("q_proj", "k_proj", "v_proj", "out_proj"),
        embeddings="language_model.model.decoder.embed_tokens",
        final_norm="language_model.model.decoder.final_layer_norm",
    ),
    ("blip-2", "llama"): _gated("blip-2/llama", "language_model.model.layers"),
    ("blip-2", "qwen2"): _gated("blip-2/qwen2", "language_model.model.layers"),
    ("blip-2", "gemma3_text"): _gated("blip-2/gemma3_text", "language_model.model.layers", **_NORMED),
    **{
        (kind, text): _gated(f"{kind}/{text}", "model.language_model.layers", **_PROJECTED)
        for kind, texts in {
            "llava": ("llama", "mistral", "qwen2"),
            "llava_next": ("llama", "mistral", "qwen2"),
            "llava_onevision": ("qwen2",),
            "internvl": ("llama", "qwen2"),
        }.items()
        for text in texts
    },
    **{
        (kind, "llama"): _gated(f"{kind}/llama", "model.text_model.layers", **_CONNECTED)
        for kind in ("idefics3", "smolvlm")
    },
    ("gemma3", "gemma3_text"): _gated(
        "gemma3/gemma3_text",
        "model.language_model.layers",
        # its projector is a bare matrix, no linear layer
        **(_NORMED | _PROJECTED | _BARE),
    ),
    ("qwen2_vl", "qwen2_vl_text"): _gated("qwen2_vl/qwen2_vl_text", "model.language_model.layers", **_VISUAL),
    ("qwen2_5_vl", "qwen2_5_vl_text"): _gated(
        "qwen2_5_vl/qwen2_5_vl_text", "model.language_model.layers", **_VISUAL
    ),
    ("qwen3_vl", "qwen3_vl_text"): _gated(
        "qwen3_vl/qwen3_vl_text", "model.language_model.layers", **(_NORMED | _VISUAL)
    ),
}
"""Known architectures by the model types of the whole and of its text model."""


def anatomy_of(model: nn.Module) -> Anatomy:
    """The row for a model. Raises `BenchError` naming the known architectures if there is none."""
    config = getattr(model, "config", None)
    text = getattr(config, "text_config", None)
    key = (str(getattr(config, "model_type", "?")), str(getattr(text, "model_type", "?")))
    if key not in ROWS:
        known = ", ".join("/".join(row) for row in ROWS)
        raise BenchError(
            f"no anatomy for a {'/'.join(key)} model (known: {known}); "
            "add a row to mmedit_bench/backbones/anatomy.py"
        )
    row = ROWS[key]
    layers = model.get_submodule(row.layers)
    assert isinstance(layers, nn.ModuleList)
    return replace(row, layer_count=len(layers))
