"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: pictures of any size, and positions along three axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from mmedit_bench.backbones.batch import Batch
from mmedit_bench.backbones.families.chat import ChatFamily
from mmedit_bench.backbones.visual import Visual
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BenchError

_SIZES = (
    ("patch_size", "patch_size"),
    ("merge_size", "spatial_merge_size"),
    ("temporal_patch_size", "temporal_patch_size"),
)
"""Settings of the picture processor, and what the configuration of the vision part calls them."""


class QwenVL(ChatFamily):
    """A picture keeps its proportions: it is cut into as many patches as it has room for.

    Squares of patches are merged into one token each, whose position is a point in time, a row and a
    column; text stands at the same number on all three axes.
    """

    axes = 3
    feature_inputs = ("pixel_values", "image_grid_thw")

    def __init__(
        self, model: Any, tokenizer: Any, image_processor: Any, template: str, ends: Sequence[str] = ()
    ) -> None:
        super().__init__(model, tokenizer, image_processor, template, ends)
        vision = model.config.vision_config
        for own, name in _SIZES:
            # patches of another size may still be taken for pixels
            if (said := getattr(image_processor, own)) != (wanted := getattr(vision, name)):
                raise BenchError(
                    f"the picture processor's {own} is {said}, but {name} of the model's vision part is "
                    f"{wanted}; take preprocessor_config.json and config.json from one checkpoint"
                )
        self._grids: dict[str, tuple[int, int]] = {}
        self._inside: dict[tuple[int, int], Tensor] = {}

    def grid(self, image: ImageRef) -> tuple[int, int]:
        """Rows and columns of a picture's patches. Raises `BenchError` for one that is far too narrow."""
        if image.digest not in self._grids:
            width, height = image.open().size
            processor = self.image_processor
            patch, size = processor.patch_size, processor.size
            if processor.do_resize:
                try:
                    height, width = smart_resize(
                        height, width, patch * processor.merge_size,
                        min_pixels=size["shortest_edge"], max_pixels=size["longest_edge"],
                    )  # fmt: skip
                except ValueError as error:
                    raise BenchError(f"picture {image.digest[:12]}: {error}; leave it out") from None
            self._grids[image.digest] = height // patch, width // patch
        return self._grids[image.digest]

    def picture_tokens(self, image: ImageRef) -> int:
        rows, columns = self.grid(image)
        return int(rows * columns // self.image_processor.merge_size**2)

    def picture_positions(self, image: ImageRef) -> Tensor:
        grid = self.grid(image)
        if grid not in self._inside:
            # the model's own function, asked about a picture alone
            marks = torch.ones(1, self.picture_tokens(image), dtype=torch.long)
            found, _ = self.model.model.get_rope_index(
                marks, mm_token_type_ids=marks, image_grid_thw=torch.tensor([[1, *grid]])
            )
            self._inside[grid] = found[:, 0]
        return self._inside[grid]

    def pixels(self, image: ImageRef) -> Mapping[str, Tensor]:
        given = super().pixels(image)
        (cut,) = given["image_grid_thw"].tolist()
        if cut != [1, *self.grid(image)]:
            raise BenchError(
                f"picture {image.digest[:12]} is cut into {cut} patches, not {[1, *self.grid(image)]}; the "
                "picture processor is of a kind that is not known here"
            )
        return given


class Qwen3VL(QwenVL):
    """What inner layers of the vision part see is added to the states of the visual tokens."""

    kinds = ("visual_pos_masks",)

    def visual(self, image: ImageRef) -> Visual:
        found = self.looked_at(image)
        added = tuple(parts[0] for parts in found.deepstack_features)
        return Visual(self.counted(image, found.pooler_output[0]), added)

    def run(self, batch: Batch, *, keep: int, cache: Any = None) -> Tensor:
        # not the whole model: it hands its layers something of a picture only if it looks at it itself
        states = self.model.model.language_model(
            inputs_embeds=batch.embeddings,
            attention_mask=batch.mask,
            position_ids=self.position_ids(batch),
            past_key_values=cache,
            use_cache=cache is not None,
            visual_pos_masks=batch.kinds["visual_pos_masks"].bool() if batch.added else None,
            deepstack_visual_embeds=batch.added or None,
        ).last_hidden_state
        logits: Tensor = self.model.lm_head(states[:, -keep:].contiguous())
        return logits.to(batch.embeddings.device)  # a head may be on another one
