"""Published backbones at their full size, without weights."""

from __future__ import annotations

import functools
from unittest import mock

from mmedit_bench.backbones.anatomy import ROWS
from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.families import FAMILIES
from mmedit_bench.backbones.published import PUBLISHED
from tests.tiny import tiny_image_processor, tiny_tokenizer

WITHOUT_ADAPTER = (
    "llava-onevision-7b",
    "qwen2.5-vl-7b",
    "qwen3-vl-8b",
    "smolvlm-2.2b",
    "internvl3-8b",
)
"""Rows of kinds that no adapter or no anatomy is known of yet; a test holds this to be all of them."""
ASKABLE = tuple(name for name in PUBLISHED if name not in WITHOUT_ADAPTER)


def known(name: str) -> bool:
    """Whether this package can ask a row's kind of model."""
    config = PUBLISHED[name].config()
    return config.model_type in FAMILIES and (config.model_type, config.text_config.model_type) in ROWS


@functools.cache
def full_size(name: str) -> Backbone:
    """A row's backbone on the meta device, with the words of a tiny one: it has no digest."""
    chat = PUBLISHED[name].config().model_type != "blip-2"
    parts = tiny_tokenizer("llava" if chat else "opt"), tiny_image_processor("llava")
    with mock.patch("mmedit_bench.backbones.base.weights_digest", return_value="0" * 64):
        return Backbone(name, PUBLISHED[name].on_meta(), *parts)
