"""A random backbone for wiring tests."""

from __future__ import annotations

from mmedit_bench.editors import Backbone
from tests.tiny import tiny_backbone


def backbone(*, device: str = "cpu", dtype: str = "float32", batch_size: int = 16) -> Backbone:
    """A random BLIP-2 with OPT; its alphabet is short, so real questions need many positions."""
    made = tiny_backbone("opt", max_positions=2048)
    made.name, made.batch_size = "wiring-backbone", batch_size
    return made
