"""Backbones of full size, as they are published. Nothing of torch or transformers is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mmedit_bench.backbones.published.row import Published

__all__ = ["PUBLISHED", "Published"]

BLIP2_OPT = Published(
    name="blip2-opt-2.7b",
    source="Salesforce/blip2-opt-2.7b",
    revision=None,
    parameters=3_744_761_856,
    template="Question: {prompt} Answer:",
    ends=("\n",),
    licence="MIT",
    notes="Pictures of 224 pixels; published evaluations of editing show it 364.",
)
MINIGPT4 = Published(
    name="minigpt4-7b",
    source=None,
    revision=None,
    parameters=7_832_679_936,
    template="###Human: <Img>{picture}</Img> {prompt} ###Assistant:",
    ends=("##", "▁###"),
    licence="BSD-3-Clause for the projection; Vicuna's weights are under LLaMA's licence",
    notes="Assembled from EVA ViT-g, a Q-Former, a projection and Vicuna-7B v0.",
)
LLAVA = Published(
    name="llava-1.5-7b",
    source="llava-hf/llava-1.5-7b-hf",
    revision=None,
    parameters=7_063_427_072,
    template="{prompt}",
    ends=(),
    licence="Llama 2 Community License",
    notes="",
)
LLAVA_ONEVISION = Published(
    name="llava-onevision-7b",
    source="llava-hf/llava-onevision-qwen2-7b-ov-hf",
    revision=None,
    parameters=8_030_348_832,
    template="{prompt}",
    ends=(),
    licence="Apache-2.0",
    notes="Large pictures are cut into crops: up to some 7,000 visual tokens.",
)
QWEN2_5_VL = Published(
    name="qwen2.5-vl-7b",
    source="Qwen/Qwen2.5-VL-7B-Instruct",
    revision=None,
    parameters=8_292_166_656,
    template="{prompt}",
    ends=(),
    licence="Apache-2.0",
    notes="A picture takes as many tokens as its size asks for.",
)
QWEN3_VL = Published(
    name="qwen3-vl-8b",
    source="Qwen/Qwen3-VL-8B-Instruct",
    revision=None,
    parameters=8_767_123_696,
    template="{prompt}",
    ends=(),
    licence="Apache-2.0",
    notes="A picture takes as many tokens as its size asks for, and is read again by the first layers.",
)
SMOLVLM = Published(
    name="smolvlm-2.2b",
    source="HuggingFaceTB/SmolVLM2-2.2B-Instruct",
    revision=None,
    parameters=2_246_784_880,
    template="{prompt}",
    ends=(),
    licence="Apache-2.0",
    notes="Large pictures are cut into tiles.",
)
INTERNVL3 = Published(
    name="internvl3-8b",
    source="OpenGVLab/InternVL3-8B-hf",
    revision=None,
    parameters=7_944_373_760,
    template="{prompt}",
    ends=(),
    licence="Apache-2.0; Qwen's licence for its text model",
    notes="The checkpoint in transformers' own layout. Large pictures are cut into tiles.",
)
GEMMA3 = Published(
    name="gemma3-4b",
    source="google/gemma-3-4b-it",
    revision=None,
    parameters=4_300_079_472,
    template="{prompt}",
    ends=(),
    licence="Gemma Terms of Use",
    notes="Must be accepted on the hub before it can be fetched.",
)

PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        row.name: row
        for row in (
            BLIP2_OPT,
            MINIGPT4,
            LLAVA,
            LLAVA_ONEVISION,
            QWEN2_5_VL,
            QWEN3_VL,
            SMOLVLM,
            INTERNVL3,
            GEMMA3,
        )
    }
)
"""By name, in the order of documentation."""
