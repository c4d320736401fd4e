"""Which adapter a model needs."""

from __future__ import annotations

from typing import Any

from mmedit_bench.backbones.families.anyres import LlavaNext, LlavaOnevision
from mmedit_bench.backbones.families.base import Family
from mmedit_bench.backbones.families.gemma3 import Gemma3
from mmedit_bench.backbones.families.idefics3 import Idefics3
from mmedit_bench.backbones.families.internvl import InternVL
from mmedit_bench.backbones.families.llava import Llava
from mmedit_bench.backbones.families.qformer import QFormer
from mmedit_bench.backbones.families.qwen import Qwen3VL, QwenVL
from mmedit_bench.errors import BenchError

FAMILIES: dict[str, type[Family]] = {
    "blip-2": QFormer,
    "llava": Llava,
    "gemma3": Gemma3,
    "llava_next": LlavaNext,
    "llava_onevision": LlavaOnevision,
    "idefics3": Idefics3,
    "smolvlm": Idefics3,
    "internvl": InternVL,
    "qwen2_vl": QwenVL,
    "qwen2_5_vl": QwenVL,
    "qwen3_vl": Qwen3VL,
}
"""Adapters by the `model_type` of a checkpoint's configuration."""


def family_of(model: Any) -> type[Family]:
    """The adapter for a model. Raises `BenchError` naming the known families if there is none."""
    kind = str(getattr(getattr(model, "config", None), "model_type", "?"))
    if kind not in FAMILIES:
        raise BenchError(
            f"no adapter for {kind!r} models (known: {', '.join(FAMILIES)}); "
            "add one to mmedit_bench/backbones/families"
        )
    return FAMILIES[kind]
