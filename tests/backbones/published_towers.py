"""The own processors of the families whose pictures are cut into tiles, made of a backbone's parts."""

from __future__ import annotations

import copy
from typing import Any

from transformers import (
    Idefics3Processor,
    InternVLProcessor,
    LlavaNextProcessor,
    LlavaOnevisionProcessor,
    LlavaProcessor,
    SmolVLMProcessor,
)
from transformers.models.smolvlm import processing_smolvlm

from mmedit_bench.backbones.base import Backbone


class _NoVideos:
    """In the place of a video processor, which needs torchvision; no video is ever given."""

    num_frames, fps = 1, 1


class _Still:
    """A processor whose video processor is not looked at: the look needs torchvision."""

    def check_argument_for_proper_class(self, name: str, given: Any) -> Any:
        if name == "video_processor":
            return _NoVideos
        return super().check_argument_for_proper_class(name, given)  # type: ignore[misc]


class _Onevision(_Still, LlavaOnevisionProcessor):  # type: ignore[misc]
    pass


class _SmolVLM(_Still, SmolVLMProcessor):  # type: ignore[misc]
    pass


class _InternVL(_Still, InternVLProcessor):  # type: ignore[misc]
    pass


def tower_processor(backbone: Backbone) -> Any:
    """The processor that a checkpoint of the kind is published with."""
    tokenizer = copy.deepcopy(backbone.tokenizer)
    parts: dict[str, Any] = {
        "image_processor": backbone.image_processor,
        "tokenizer": tokenizer,
        "chat_template": tokenizer.chat_template,
    }
    video = {"video_processor": _NoVideos()}
    kind = backbone.anatomy.name.split("/")[0]
    if kind == "idefics3":
        return Idefics3Processor(**parts, image_seq_len=4)
    if kind == "llava":
        return LlavaProcessor(**parts, patch_size=8, vision_feature_select_strategy="full")
    if kind == "llava_next":
        return LlavaNextProcessor(
            **parts, patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1
        )
    if kind == "llava_onevision":
        return _Onevision(
            **parts, **video, num_image_tokens=4, vision_feature_select_strategy="full",
            vision_aspect_ratio=backbone.model.config.vision_aspect_ratio,
        )  # fmt: skip
    if kind == "smolvlm":
        # a package that spells numbers, for videos only
        processing_smolvlm.num2words = processing_smolvlm.num2words or str
        return _SmolVLM(**parts, **video, image_seq_len=4)
    marks = {"start": "<img>", "end": "</img>", "context": "<IMG_CONTEXT>"}
    names = {f"{name}_image_token": mark for name, mark in marks.items()} | {"video_token": "<video>"}
    for name, mark in names.items():
        setattr(tokenizer, name, mark)
        setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(mark))
    return _InternVL(**parts, **video, image_seq_length=4)
