"""A suite of two splits for tiny backbones."""

from __future__ import annotations

from mmedit_bench.cases import EditCase
from tests.tiny import tiny_cases


class TinySuite:
    """Three cases to train on and three to edit."""

    name = "tiny"
    task = "vqa"
    digest = "0" * 64
    splits = ("train", "test")

    def cases(self, split: str) -> tuple[EditCase, ...]:
        return tiny_cases(3, split)
