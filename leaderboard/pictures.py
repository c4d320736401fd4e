"""Pictures inside the page: each once, however often it is shown."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from mmedit_bench.cases import ImageRef

SMALL = 128
"""Up to this many pixels a picture is drawn art: kept as it is and enlarged without smoothing."""
LARGEST = 256
"""Photographs are reduced to this many pixels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture ready for the page. `id` names its symbol."""

    id: str
    uri: str
    width: int
    height: int
    pixelated: bool


class Pictures:
    """All pictures of a page, by content."""

    def __init__(self) -> None:
        self._held: dict[str, Picture] = {}

    def add(self, image: ImageRef) -> Picture:
        """The picture, encoded on first use. Raises `BadData` for bytes that belie their digest."""
        if image.digest not in self._held:
            self._held[image.digest] = _picture(f"picture-{len(self._held)}", image)
        return self._held[image.digest]

    def all(self) -> tuple[Picture, ...]:
        """In order of first use."""
        return tuple(self._held.values())


def _picture(name: str, image: ImageRef) -> Picture:
    opened = image.open()
    pixelated = max(opened.size) <= SMALL
    opened.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    # Encoded anew: the page must not carry along whatever a file from elsewhere holds beside pixels.
    kind = "png" if pixelated else "jpeg"
    opened.save(file, kind, **({"optimize": True} if pixelated else {"quality": 80}))
    uri = f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
    return Picture(name, uri, opened.width, opened.height, pixelated)
