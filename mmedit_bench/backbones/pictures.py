"""Pictures to visual tokens, once per picture."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from mmedit_bench.backbones.families import Family
from mmedit_bench.backbones.kept import Kept, Watch
from mmedit_bench.backbones.visual import Visual
from mmedit_bench.cases import ImageRef

MOST_BYTES = 1 << 30
"""Of visual tokens that a backbone keeps: one large picture in tiles can have 60 MB of them."""


class Pictures:
    """What a model sees by picture digest; what is used least recently goes first, by bytes.

    All are forgotten when a weight of the model is seen to have changed.
    """

    def __init__(self, family: Family, limit: int = MOST_BYTES) -> None:
        self._family = family
        self._watch = Watch(family.model)
        self._kept = Kept(limit)

    def seen(self, images: Iterable[ImageRef]) -> dict[str, Visual]:
        """Cached, by digest; without gradient."""
        if self._watch.changed():
            self._kept.clear()
        found = {}
        for image in images:
            seen = self._kept.get(image.digest, Visual)
            if seen is None:
                with torch.no_grad():
                    seen = self.compute(image)
                self._kept.put(image.digest, seen)
            found[image.digest] = seen
        return found

    def compute(self, image: ImageRef) -> Visual:
        """The picture as the model, hooks included, sees it now.

        One picture at a time: a value computed in a batch would depend, in its last bits, on the
        pictures beside it, and so on what was asked first.
        """
        return self._family.visual(image)
