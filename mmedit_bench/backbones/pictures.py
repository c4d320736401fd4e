"""Pictures to visual tokens, once per picture."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mmedit_bench.backbones.families import Family
from mmedit_bench.backbones.kept import Watch
from mmedit_bench.cases import ImageRef


class Pictures:
    """Visual tokens of a model by picture digest; the oldest go when `limit` pictures are held.

    All are forgotten when a weight of the model is seen to have changed.
    """

    def __init__(self, family: Family, limit: int = 16384) -> None:
        self._family = family
        self._watch = Watch(family.model)
        self._limit = limit
        self._held: dict[str, Tensor] = {}

    def tokens(self, images: Iterable[ImageRef]) -> dict[str, Tensor]:
        """Cached visual tokens [tokens, width] by digest; they carry no gradient."""
        if self._watch.changed():
            self._held.clear()
        found = {}
        for image in images:
            if image.digest not in self._held:
                if len(self._held) >= self._limit:
                    self._held.pop(next(iter(self._held)))
                with torch.no_grad():
                    self._held[image.digest] = self.compute(image)
            found[image.digest] = self._held[image.digest]
        return found

    def compute(self, image: ImageRef) -> Tensor:
        """Visual tokens [tokens, width] as the model, hooks included, gives them now.

        One picture at a time: a value computed in a batch would depend, in its last bits, on the
        pictures beside it, and so on what was asked first.
        """
        return self._family.features(image).to(self._family.embedding.weight.device)
