"""Drawings that look the same and are other files: moved by a pixel, a little noise, encoded anew."""

from __future__ import annotations

import hashlib
import io
import random

from PIL import Image

from mmedit_bench.cases import ImageRef

MOVES = tuple((x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0))
NOISY = 48
"""Places of a drawing where one colour is one of 256 steps brighter or darker.

The moves alone are eight, which anybody can make in advance of every public drawing.
"""


def shifted(data: bytes, chance: random.Random) -> ImageRef:
    """A picture of the encoded one's size, as PNG; what the move uncovers repeats the edge."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    wide, high = picture.size
    x, y = chance.choice(MOVES)
    moved = picture.copy()  # what is uncovered keeps the edge that was there
    moved.paste(picture, (x, y))
    for _ in range(NOISY):
        at = chance.randrange(wide), chance.randrange(high)
        colour = list(moved.getpixel(at))  # type: ignore[arg-type]  # RGB: three numbers
        channel = chance.randrange(3)
        step = chance.choice((-1, 1))
        colour[channel] += step if 0 <= colour[channel] + step <= 255 else -step
        moved.putpixel(at, tuple(colour))
    out = io.BytesIO()
    moved.save(out, "PNG")
    encoded = out.getvalue()
    return ImageRef(hashlib.sha256(encoded).hexdigest(), lambda: encoded)
