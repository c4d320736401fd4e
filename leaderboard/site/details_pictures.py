"""Pictures of the data as files, each once, however many edits show it."""

from __future__ import annotations

import io
from pathlib import Path

from leaderboard.pictures import LARGEST, SMALL
from leaderboard.site.html import write_bytes
from leaderboard.site.loading import lost
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BadData

FOLDER = "data/pictures"
NOT_AT_HAND = ("", 0, 0)
"""In the place of a file: nobody fetched the picture, and the page says so where it would stand."""


class Gallery:
    """Writes pictures under a site's folder of them."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._held: dict[str, tuple[str, int, int]] = {}

    def add(self, image: ImageRef) -> tuple[str, int, int]:
        """Its file's name, width and height, or `NOT_AT_HAND`. Raises `BadData` for a damaged picture.

        Encoded anew: a page must not carry along whatever a file from elsewhere holds beside pixels.
        """
        try:
            return self._add(image)
        except BadData:
            if lost(image):
                return NOT_AT_HAND
            raise

    def _add(self, image: ImageRef) -> tuple[str, int, int]:
        if image.digest not in self._held:
            opened = image.open()
            drawn = max(opened.size) <= SMALL  # art of few pixels is kept as it is, photographs are not
            opened.thumbnail((LARGEST, LARGEST))
            kind = "png" if drawn else "jpeg"
            name = f"{image.digest[:20]}.{kind}"
            path = self._out / FOLDER / name
            if not path.exists():
                file = io.BytesIO()
                opened.save(file, kind)
                write_bytes(path, file.getvalue())
            self._held[image.digest] = name, opened.width, opened.height
        return self._held[image.digest]
