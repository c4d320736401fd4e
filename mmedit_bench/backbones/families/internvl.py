"""InternVL: tiles of a picture and a small whole of it, in one row between marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmedit_bench.backbones.families.tiled import TiledFamily
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BenchError


class InternVL(TiledFamily):
    """As many tokens for each tile as the configuration says, in the tiles' order."""

    feature_inputs = ("pixel_values", "num_patches")
    picture_options: Mapping[str, Any] = {"crop_to_patches": True}

    def measure(self, image: ImageRef) -> tuple[int, ...]:
        """Tiles, the small whole included."""
        width, height = image.open().size
        count = self.image_processor.get_number_of_image_patches
        return (int(count(height, width, dict(self.picture_options))),)

    def picture_tokens(self, image: ImageRef) -> int:
        return self.measured(image)[0] * int(self.model.config.image_seq_length)

    def expanded(self, turn: str, image: ImageRef | None) -> str:
        picture = str(self.tokenizer.convert_ids_to_tokens(self.picture_id))
        begin = getattr(self.tokenizer, "start_image_token", "<img>")
        end = getattr(self.tokenizer, "end_image_token", "</img>")
        return turn.replace(picture, f"{begin}{picture}{end}")

    def pixels(self, image: ImageRef) -> Mapping[str, Tensor]:
        given = dict(super().pixels(image))
        found, (wanted,) = int(given.pop("num_patches")[0]), self.measured(image)
        if not found == wanted == len(given["pixel_values"]):
            raise BenchError(f"the picture processor cut {found} tiles, not {wanted}, out of a picture")
        return given
