"""Pictures to visual tokens, once per picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mmedit_bench.backbones.families import Family
from mmedit_bench.backbones.kept import Kept, Watch
from mmedit_bench.cases import ImageRef

MOST_BYTES = 1 << 30
"""Of visual tokens that a backbone keeps: one large picture in tiles can have 60 MB of them."""


@dataclass(frozen=True)
class Seen:
    """Visual tokens [tokens, width] of a picture."""

    visual: Tensor

    def tensors(self) -> Iterator[Tensor]:
        """All that is kept."""
        yield self.visual


class Pictures:
    """Visual tokens of a model by picture digest; those used least recently go first, by bytes.

    All are forgotten when a weight of the model is seen to have changed.
    """

    def __init__(self, family: Family, limit: int = MOST_BYTES) -> None:
        self._family = family
        self._watch = Watch(family.model)
        self._kept = Kept(limit)

    def tokens(self, images: Iterable[ImageRef]) -> dict[str, Tensor]:
        """Cached visual tokens [tokens, width] by digest; they carry no gradient."""
        if self._watch.changed():
            self._kept.clear()
        found = {}
        for image in images:
            seen = self._kept.get(image.digest, Seen)
            if seen is None:
                with torch.no_grad():
                    seen = Seen(self.compute(image))
                self._kept.put(image.digest, seen)
            found[image.digest] = seen.visual
        return found

    def compute(self, image: ImageRef) -> Tensor:
        """Visual tokens [tokens, width] as the model, hooks included, gives them now.

        One picture at a time: a value computed in a batch would depend, in its last bits, on the
        pictures beside it, and so on what was asked first.
        """
        return self._family.features(image)
