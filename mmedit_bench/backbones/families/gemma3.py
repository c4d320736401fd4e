"""Gemma 3: pooled SigLIP patches between marks of their own, attended in both directions."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mmedit_bench.backbones.families.chat import ChatFamily
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BenchError


class Gemma3(ChatFamily):
    """The tokens of a picture see each other, which `token_type_ids` tell the model."""

    kinds = ("token_type_ids",)
    feature_inputs = ("pixel_values", "num_crops")

    def picture_tokens(self, image: ImageRef) -> int:
        return int(self.model.config.mm_tokens_per_image)

    def expanded(self, turn: str, image: ImageRef | None) -> str:
        begin, end = (
            str(self.tokenizer.convert_ids_to_tokens(token))
            for token in (self.model.config.boi_token_index, self.model.config.eoi_token_index)
        )
        picture = self.tokenizer.convert_ids_to_tokens(self.picture_id)
        return turn.replace(begin, f"\n\n{begin}{picture}{end}\n\n")

    def pixels(self, image: ImageRef) -> Mapping[str, Tensor]:
        given = dict(super().pixels(image))
        crops = given.pop("num_crops", None)
        if crops is not None and any(int(count) for count in crops):
            raise BenchError(
                "Gemma 3 with crops of a picture is not known here; set do_pan_and_scan to false"
            )
        return given
