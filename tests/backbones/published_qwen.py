"""The own processors of Qwen2-VL, Qwen2.5-VL and Qwen3-VL, for pictures."""

from __future__ import annotations

from typing import Any

from transformers import Qwen2_5_VLProcessor, Qwen2VLProcessor, Qwen3VLProcessor

from mmedit_bench.backbones.base import Backbone


class _WithoutVideos:
    """No part for videos: it would need torchvision."""

    def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
        if name == "video_processor" and argument is None:
            return None
        return super().check_argument_for_proper_class(name, argument)  # type: ignore[misc]


class _Qwen2VL(_WithoutVideos, Qwen2VLProcessor):  # type: ignore[misc]
    pass


class _Qwen25VL(_WithoutVideos, Qwen2_5_VLProcessor):  # type: ignore[misc]
    pass


class _Qwen3VL(_WithoutVideos, Qwen3VLProcessor):  # type: ignore[misc]
    pass


_PROCESSORS = {"qwen2_vl": _Qwen2VL, "qwen2_5_vl": _Qwen25VL, "qwen3_vl": _Qwen3VL}


def qwen_processor(backbone: Backbone) -> Any:
    """The family's own processor, made of the same parts."""
    tokenizer = backbone.tokenizer
    kind = _PROCESSORS[backbone.model.config.model_type]
    return kind(backbone.image_processor, tokenizer, chat_template=tokenizer.chat_template)
