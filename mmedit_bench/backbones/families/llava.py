"""LLaVA: a tower's patches, projected, at the placeholder inside the prompt."""

from __future__ import annotations

from typing import Any

from mmedit_bench.backbones.families.chat import ChatFamily
from mmedit_bench.cases import ImageRef


class Llava(ChatFamily):
    """One token per patch, and one for the class token of a tower that has one, unless it is left out."""

    def __init__(self, model: Any, *parts: Any, **options: Any) -> None:
        super().__init__(model, *parts, **options)
        names = (name for name, _ in model.model.vision_tower.named_parameters())
        self._classed = any(name.endswith("class_embedding") for name in names)

    def picture_tokens(self, image: ImageRef) -> int:
        config = self.model.config
        vision = config.vision_config
        patches = (vision.image_size // vision.patch_size) ** 2
        return int(patches + self._classed - (config.vision_feature_select_strategy == "default"))
