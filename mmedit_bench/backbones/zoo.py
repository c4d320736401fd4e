"""The backbones that ship with the package."""

from __future__ import annotations

from pathlib import Path

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.errors import BenchError

CHECKPOINTS = Path(__file__).parent / "checkpoints"


def blip2_opt_mini(*, device: str = "cpu", dtype: str = "float32", batch_size: int = 16) -> Backbone:
    """BLIP-2 with an OPT text model, small enough for a laptop's processor."""
    return _shipped("blip2-opt-mini", device, dtype, batch_size)


def minigpt4_mini(*, device: str = "cpu", dtype: str = "float32", batch_size: int = 16) -> Backbone:
    """Q-Former and Llama text model as in MiniGPT-4, small enough for a laptop's processor."""
    return _shipped("minigpt4-mini", device, dtype, batch_size)


def _shipped(name: str, device: str, dtype: str, batch_size: int) -> Backbone:
    folder = CHECKPOINTS / name
    if not (folder / "model.safetensors").is_file():
        raise BenchError(
            f"no checkpoint in {folder}; `mmedit-bench train-backbone {name} --out {folder}` makes it"
        )
    return Backbone.load(folder, name=name, device=device, dtype=dtype, batch_size=batch_size)
