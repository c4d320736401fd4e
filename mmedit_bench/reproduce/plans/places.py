"""What plans share: where the embedded tables are measured, and the editor that rows are compared with."""

from __future__ import annotations

from mmedit_bench.reproduce.plan import Place

UNIKE = "unike"

_OPT, _MINIGPT4 = ("blip2-opt-mini", "BLIP-2 OPT"), ("minigpt4-mini", "MiniGPT-4")
VQA, CAPTION = ("picturebook-vqa", "vqa"), ("picturebook-caption", "caption")

EMBEDDED = tuple(
    Place(backbone, suite, named, task)
    for backbone, named in (_OPT, _MINIGPT4)
    for suite, task in (VQA, CAPTION)
)
"""Both mini backbones on both tasks of Picturebook."""
ABLATED = EMBEDDED[2:3]
"""The paper ablates on MiniGPT-4."""


def minigpt4(suite: tuple[str, str]) -> tuple[str, str, str, str]:
    """The first fields of a place on the backbone that the paper's sequences are measured on."""
    return _MINIGPT4[0], suite[0], _MINIGPT4[1], suite[1]
