"""Random models of the families with a tower, a projector and placeholders, as `tests.tiny` builds them.

Pictures of 32 pixels are cut into four tiles of 16 where a family cuts pictures, four tokens each;
the templates are of the published form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import (
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

KNOWN = ("llava_onevision", "smolvlm", "internvl")
TWINS = ("llava-mistral", "llava-qwen2", "llava_next", "idefics3")
TEXTS = {
    "llava-mistral": "mistral",
    "llava-qwen2": "qwen2",
    "llava_next": "llama",
    "llava_onevision": "qwen2",
    "idefics3": "llama",
    "smolvlm": "llama",
    "internvl": "qwen2",
}
"""Text models of the kinds."""
_PART = "{% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}"
_TEXT = "{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
_IDEFICS = (
    "{% if messages[0]['content'][0]['type'] == 'image' %}:{% else %}: {% endif %}"
    f"{_PART}<image>{_TEXT}<end_of_utterance>\n{{% if add_generation_prompt %}}Assistant:{{% endif %}}"
)
CHAT = {
    "llava-mistral": f"[INST] {_PART}<image>\n{_TEXT} [/INST]",
    "llava-qwen2": f"<turn>user {_PART}<image>\n{_TEXT}<end><turn>assistant",
    "llava_next": f"<s>[INST] {_PART}<image>\n{_TEXT} [/INST]",
    "llava_onevision": (
        f"<turn>user {_PART}<image>{_TEXT.replace('{{ part', '{{ chr10 + part')}<end>"
        "{{ '<turn>assistant\\n' }}"
    ).replace("chr10", "'\\n'"),
    "idefics3": f"<s>User{_IDEFICS}",
    "smolvlm": f"<turn>User{_IDEFICS}",
    "internvl": (
        f"<turn>user\n{_PART}{{{{ '<IMG_CONTEXT>\\n' }}}}{_TEXT}<end>\n{{{{ '<turn>assistant\\n' }}}}"
    ),
}
_TURNS = ("<turn>", "<end>")
_ROWS = tuple(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5))
_TILES = ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *_ROWS)
MARKS = {
    "llava-mistral": (),
    "llava-qwen2": _TURNS,
    "llava_next": (),
    "llava_onevision": (*_TURNS, "<video>"),
    "idefics3": _TILES,
    "smolvlm": (*_TILES, "<turn>", "<video>"),
    "internvl": (*_TURNS, "<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
}
"""Special tokens beside those of all kinds."""
GRID = [[16 * rows, 16 * columns] for rows in range(1, 4) for columns in range(1, 4)]
_TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def _options(
    tokenizer: Any, text: Any, mark: str = "<image>", name: str = "image_token_id"
) -> dict[str, Any]:
    return {
        "text_config": text,
        "tie_word_embeddings": text.tie_word_embeddings,
        name: tokenizer.convert_tokens_to_ids(mark),
    }


def _siglip(size: int) -> SiglipVisionConfig:
    return SiglipVisionConfig(image_size=size, patch_size=8, vision_use_head=False, **_TOWER)


def _llava(tokenizer: Any, text: Any) -> Any:
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=_siglip(16), vision_feature_layer=-1, vision_feature_select_strategy="full",
            **_options(tokenizer, text, name="image_token_index"),
        )
    )  # fmt: skip


def _llava_next(tokenizer: Any, text: Any) -> Any:
    return LlavaNextForConditionalGeneration(
        LlavaNextConfig(
            vision_config=CLIPVisionConfig(image_size=16, patch_size=8, projection_dim=16, **_TOWER),
            image_grid_pinpoints=GRID,
            **_options(tokenizer, text, name="image_token_index"),
        )
    )


def _llava_onevision(tokenizer: Any, text: Any) -> Any:
    return LlavaOnevisionForConditionalGeneration(
        LlavaOnevisionConfig(
            vision_config=_siglip(16), image_grid_pinpoints=GRID, vision_aspect_ratio="anyres_max_3",
            video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
            **_options(tokenizer, text, name="image_token_index"),
        )
    )  # fmt: skip


def _idefics(tokenizer: Any, text: Any, config: Any, model: Any) -> Any:
    vision = {"image_size": 16, "patch_size": 4, **_TOWER}
    return model(config(vision_config=vision, scale_factor=2, **_options(tokenizer, text)))


def _idefics3(tokenizer: Any, text: Any) -> Any:
    return _idefics(tokenizer, text, Idefics3Config, Idefics3ForConditionalGeneration)


def _smolvlm(tokenizer: Any, text: Any) -> Any:
    return _idefics(tokenizer, text, SmolVLMConfig, SmolVLMForConditionalGeneration)


def _internvl(tokenizer: Any, text: Any) -> Any:
    return InternVLForConditionalGeneration(
        InternVLConfig(
            vision_config=InternVLVisionConfig(image_size=16, patch_size=4, **_TOWER), image_seq_length=4,
            **_options(tokenizer, text, "<IMG_CONTEXT>"),
        )
    )  # fmt: skip


BUILDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "llava-mistral": _llava,
    "llava-qwen2": _llava,
    "llava_next": _llava_next,
    "llava_onevision": _llava_onevision,
    "idefics3": _idefics3,
    "smolvlm": _smolvlm,
    "internvl": _internvl,
}


def tower_image_processor(family: str) -> Any:
    """The family's own processor, at tiles of 16 pixels."""
    size = {"height": 16, "width": 16}
    match family:
        case "llava-mistral" | "llava-qwen2":
            return SiglipImageProcessorPil(size=size)
        case "llava_next":
            return LlavaNextImageProcessorPil(
                size={"shortest_edge": 16}, crop_size=size, image_grid_pinpoints=GRID
            )
        case "llava_onevision":
            return LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=GRID)
        case "internvl":  # as published, it says nothing of tiles: the model's own processor does
            return GotOcr2ImageProcessorPil(size=size, max_patches=6)
    kind = SmolVLMImageProcessorPil if family == "smolvlm" else Idefics3ImageProcessorPil
    return kind(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
