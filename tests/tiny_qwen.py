"""Random Qwen2-VL, Qwen2.5-VL and Qwen3-VL models: patches of 8 pixels, four of which make a token."""

from __future__ import annotations

from typing import Any

from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

QWEN = ("qwen2-vl", "qwen2.5-vl", "qwen3-vl")
QWEN_SPECIALS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<turn>", "<end>")
_TURN = (
    "{% for message in messages %}<turn>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}"
    "{% endif %}{% endfor %}<end>\n{% endfor %}{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)
QWEN_CHAT = dict.fromkeys(QWEN, _TURN)


def qwen_model(family: str, tokenizer: Any, text: dict[str, Any]) -> Any:
    """`text` holds the sizes of the text model; two query heads read one key head."""
    grids = {"patch_size": 8, "temporal_patch_size": 2, "spatial_merge_size": 2, "depth": 2, "num_heads": 2}
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"} | {
        f"{name}_token_id": f"<|{name}|>" for name in ("vision_start", "vision_end")
    }
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    sections = {"mrope_section": [2, 3, 3], "rope_type": "default", "rope_theta": 10000.0}
    text = text | {"intermediate_size": 48, "num_key_value_heads": 1, "rope_parameters": sections}
    tied = text.pop("tie_word_embeddings")
    if family == "qwen2-vl":
        vision = grids | {"embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2}
        return Qwen2VLForConditionalGeneration(
            Qwen2VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied, **ids)
        )
    vision = grids | {"hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32}
    if family == "qwen2.5-vl":
        # windows of two by two tokens in the first layer, which all but the smallest pictures outgrow
        vision |= {"window_size": 32, "fullatt_block_indexes": [1]}
        return Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied, **ids)
        )
    # what both layers see is added after the two decoder layers
    vision |= {"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16}
    sections |= {"mrope_section": [4, 2, 2], "mrope_interleaved": True}
    return Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            text_config=text | {"head_dim": 16}, vision_config=vision, tie_word_embeddings=tied, **ids
        )
    )


def qwen_image_processor() -> Any:
    """From one token to twelve a picture."""
    size = {"shortest_edge": 16 * 16, "longest_edge": 12 * 16 * 16}
    return Qwen2VLImageProcessorPil(size=size, patch_size=8, merge_size=2, temporal_patch_size=2)
