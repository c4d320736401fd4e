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


def tower_processor(model: Any, tokenizer: Any, image_processor: Any) -> Any:
    """The processor that a checkpoint of the kind is published with, of the numbers in its configuration."""
    tokenizer = copy.deepcopy(tokenizer)
    config, video = model.config, {"video_processor": _NoVideos()}
    parts: dict[str, Any] = {
        "image_processor": image_processor,
        "tokenizer": tokenizer,
        "chat_template": tokenizer.chat_template,
    }
    kind, vision = config.model_type, config.vision_config
    if kind in ("idefics3", "smolvlm"):
        parts["image_seq_len"] = (vision.image_size // vision.patch_size // config.scale_factor) ** 2
        if kind == "idefics3":
            return Idefics3Processor(**parts)
        # a package that spells numbers, for videos only
        processing_smolvlm.num2words = processing_smolvlm.num2words or str
        return _SmolVLM(**parts, **video)
    if kind == "internvl":
        marks = {"start": "<img>", "end": "</img>", "context": "<IMG_CONTEXT>"}
        names = {f"{name}_image_token": mark for name, mark in marks.items()} | {"video_token": "<video>"}
        for name, mark in names.items():
            setattr(tokenizer, name, mark)
            setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(mark))
        return _InternVL(**parts, **video, image_seq_length=config.image_seq_length)
    parts["vision_feature_select_strategy"] = config.vision_feature_select_strategy
    if kind == "llava_onevision":
        tokens = (vision.image_size // vision.patch_size) ** 2
        ratio = config.vision_aspect_ratio
        return _Onevision(**parts, **video, num_image_tokens=tokens, vision_aspect_ratio=ratio)
    classed = int(vision.model_type == "clip_vision_model")
    own = LlavaProcessor if kind == "llava" else LlavaNextProcessor
    return own(**parts, patch_size=vision.patch_size, num_additional_image_tokens=classed)
