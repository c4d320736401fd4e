"""LLaVA-NeXT and LLaVA-OneVision: a whole picture, then its crops as one grid with ends of lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

from mmedit_bench.backbones.families.tiled import TiledFamily
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BenchError


class LlavaNext(TiledFamily):
    """Of the grid, what pads the picture is left out, and each line ends in the model's own token.

    How many tokens that makes is not computed here again: the model packs blank crops of one channel.
    """

    feature_inputs: tuple[str, ...] = ("pixel_values", "image_sizes")

    def picture_tokens(self, image: ImageRef) -> int:
        return self.measured(image)[0]

    def measure(self, image: ImageRef) -> tuple[int, ...]:
        """Tokens, and pictures for the tower: crops and the whole."""
        width, height = image.open().size
        config = self.model.config
        vision = config.vision_config
        pictures = image_size_to_num_patches((height, width), config.image_grid_pinpoints, vision.image_size)
        blank = torch.zeros(pictures, (vision.image_size // vision.patch_size) ** 2, 1)
        packed, _ = self.model.model.pack_image_features(
            [blank], [(height, width)], image_newline=torch.zeros(1), **self.packing
        )
        return len(packed[0]), pictures

    @property
    def packing(self) -> dict[str, Any]:
        """Settings of the configuration that the model packs by."""
        return {"vision_feature_select_strategy": self.model.config.vision_feature_select_strategy}

    def pixels(self, image: ImageRef) -> Mapping[str, Tensor]:
        given = super().pixels(image)
        found, (_, wanted) = given["pixel_values"].shape[1], self.measured(image)
        if found != wanted:
            # the model raises no error where there are more than it wants
            raise BenchError(
                f"the picture processor makes {found} pictures of one, the model wants {wanted}: "
                "image_grid_pinpoints and sizes of preprocessor_config.json and config.json differ"
            )
        return given


class LlavaOnevision(LlavaNext):
    """A grid of more than so many crops is made smaller (`vision_aspect_ratio`)."""

    feature_inputs = ("pixel_values", "image_sizes", "batch_num_images")

    @property
    def packing(self) -> dict[str, Any]:
        return {"vision_aspect_ratio": self.model.config.vision_aspect_ratio}
