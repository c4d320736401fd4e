"""LLaVA: a CLIP tower's patches, projected, at the placeholder inside the prompt."""

from __future__ import annotations

from mmedit_bench.backbones.families.chat import ChatFamily
from mmedit_bench.cases import ImageRef


class Llava(ChatFamily):
    """One token per patch; the class token is left out unless the configuration keeps it."""

    def picture_tokens(self, image: ImageRef) -> int:
        config = self.model.config
        vision = config.vision_config
        patches = (vision.image_size // vision.patch_size) ** 2
        return int(patches + (config.vision_feature_select_strategy != "default"))
