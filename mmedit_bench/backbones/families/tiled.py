"""What families share whose pictures are cut into tiles, as many as their size asks for."""

from __future__ import annotations

from typing import Any

from mmedit_bench.backbones.families.chat import ChatFamily
from mmedit_bench.cases import ImageRef


class TiledFamily(ChatFamily):
    """A family in which a picture's size decides how many visual tokens it has."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._measured: dict[str, tuple[int, ...]] = {}

    def measure(self, image: ImageRef) -> tuple[int, ...]:
        """The few numbers of a picture that its tokens follow from."""
        raise NotImplementedError

    def measured(self, image: ImageRef) -> tuple[int, ...]:
        """What `measure` says; a picture is decoded for it once, though every row of it asks."""
        if image.digest not in self._measured:
            self._measured[image.digest] = self.measure(image)
        return self._measured[image.digest]
