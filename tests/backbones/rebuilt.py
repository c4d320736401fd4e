"""Things to ask, edits of random numbers, and models that are really changed in their place."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.interventions import ExtraNeurons, WeightDelta
from tests.tiny import tiny_picture

QUERIES = [
    Query("what is this?", tiny_picture(0)),
    Query("which city is the capital of this country?"),
    Query("name the colour", tiny_picture(1, 64, 24)),
]
TARGETS = ["a red fox", "paris", "green, blue"]


def noise(*shape: int, seed: int = 0, scale: float = 0.3) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def delta_for(backbone: Backbone, module: str, scale: float = 0.3) -> WeightDelta:
    return WeightDelta(module, noise(*backbone.weight(module).shape, scale=scale))


_VISION = {
    "blip-2": ("qformer.encoder.layer.1.output_query.dense", "language_projection"),
    "llava": ("model.multi_modal_projector.linear_1", "model.multi_modal_projector.linear_2"),
    "gemma3": ("model.vision_tower.encoder.layers.0.self_attn.v_proj",),
    "idefics3": ("model.connector.modality_projection.proj",),
    "qwen2_vl": ("model.visual.blocks.1.attn.proj", "model.visual.merger.mlp.2"),
    "qwen2_5_vl": ("model.visual.blocks.0.mlp.down_proj", "model.visual.merger.mlp.2"),
    "qwen3_vl": (
        "model.visual.deepstack_merger_list.0.linear_fc2",
        "model.visual.merger.linear_fc1",
        "model.visual.blocks.0.attn.proj",
    ),
}
_VISION |= dict.fromkeys(("llava_next", "llava_onevision", "internvl"), _VISION["llava"])
_VISION["smolvlm"] = _VISION["idefics3"]


def vision(backbone: Backbone) -> tuple[str, ...]:
    """Linear layers that visual tokens depend on, and texts do not."""
    return _VISION[backbone.anatomy.name.split("/")[0]]


def hook_count(backbone: Backbone) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in backbone.model.modules())


def linears(backbone: Backbone) -> list[str]:
    anatomy = backbone.anatomy
    attention = [f"{anatomy.attention(1)}.{name}" for name in anatomy.attention_linears]
    return [*anatomy.ffn(0), *anatomy.ffn(1), *attention, *vision(backbone)]


def changed_copy(backbone: Backbone) -> Backbone:
    """A backbone with weights of its own."""
    model = copy.deepcopy(backbone.model)
    return Backbone("copy", model, backbone.tokenizer, backbone.image_processor)


def neurons(backbone: Backbone, layer: int, count: int = 5, scale: float = 0.5) -> ExtraNeurons:
    keys, bias, up = noise(count, 32), noise(count, seed=1), noise(count, 32, seed=3)
    values = noise(count, 32, seed=2, scale=scale)
    return ExtraNeurons(layer, keys, bias, values, up if backbone.anatomy.gated else None)


def widened(backbone: Backbone, extra: ExtraNeurons) -> Backbone:
    """The feed-forward layer rebuilt with the extra neurons in its matrices."""
    other = changed_copy(backbone)
    paths = backbone.anatomy.ffn(extra.layer)
    parts = [(extra.keys, extra.bias), (extra.up_keys, torch.zeros_like(extra.bias))]
    for path, (rows, bias) in zip(paths[:-1], parts, strict=False):
        old = other.model.get_submodule(path)
        new = nn.Linear(old.in_features, old.out_features + len(extra.bias))
        assert rows is not None
        own = old.bias if old.bias is not None else torch.zeros(old.out_features)
        new.weight.data = torch.cat([old.weight, rows])
        new.bias.data = torch.cat([own, bias])
        other.model.set_submodule(path, new)
    old = other.model.get_submodule(paths[-1])
    new = nn.Linear(old.in_features + len(extra.bias), old.out_features, bias=old.bias is not None)
    new.weight.data = torch.cat([old.weight, extra.values.T], dim=1)
    if old.bias is not None:
        new.bias.data = old.bias.data
    other.model.set_submodule(paths[-1], new)
    return other
