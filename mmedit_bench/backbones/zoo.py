"""The backbones that ship with the package."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.grafted import grafted
from mmedit_bench.errors import BenchError

log = logging.getLogger(__name__)

CHECKPOINTS = Path(__file__).parent / "checkpoints"
SMALL = "minigpt4-qwen2.5-0.5b"


def blip2_opt_mini(*, device: str = "cpu", dtype: str = "float32", batch_size: int = 16) -> Backbone:
    """BLIP-2 with an OPT text model, small enough for a laptop's processor."""
    return _shipped("blip2-opt-mini", device, dtype, batch_size)


def minigpt4_mini(*, device: str = "cpu", dtype: str = "float32", batch_size: int = 16) -> Backbone:
    """Q-Former and Llama text model as in MiniGPT-4, small enough for a laptop's processor."""
    return _shipped("minigpt4-mini", device, dtype, batch_size)


def minigpt4_qwen(
    *, device: str = "cpu", dtype: str = "float32", batch_size: int = 16, language_model: str | None = None
) -> Backbone:
    """The embedded eyes and a trained bridge in front of Qwen2.5-Coder-0.5B-Instruct.

    That language model does not ship. `language_model` says where it lies, a folder, a .gguf file or a
    repository of the hub, the first time; what was put together then is kept. Raises `BenchError` that
    says how to get it.
    """
    folder = grafted(shipped(SMALL), language_model)
    return Backbone.load(folder, name=SMALL, device=device, dtype=dtype, batch_size=batch_size)


def shipped(name: str) -> Path:
    """The folder of a shipped checkpoint. Raises `BenchError` for one that is not there."""
    folder = CHECKPOINTS / name
    if not (folder / "model.safetensors").is_file():
        raise BenchError(
            f"no checkpoint in {folder}; `mmedit-bench train-backbone {name} --out {folder}` makes it"
        )
    return folder


def _shipped(name: str, device: str, dtype: str, batch_size: int) -> Backbone:
    folder = shipped(name)
    made = Backbone.load(folder, name=name, device=device, dtype=dtype, batch_size=batch_size)
    if dtype == "float32" and (problem := differs(name, made.loaded_digest)):
        log.warning("checkpoint %s: %s", folder, problem)
    return made


def differs(name: str, digest: str) -> str | None:
    """How the digest of a backbone in float32 departs from its card; None if it does not, or has none."""
    card = CHECKPOINTS / name / "backbone.json"
    try:
        told = json.loads(card.read_bytes()).get("digest") if card.is_file() else None
    except (ValueError, AttributeError) as error:
        raise BenchError(f"{card}: not a JSON object ({error}); reinstall") from None
    if told in (None, digest):
        return None
    return (
        f"digest {digest[:16]}, but its card says {str(told)[:16]}: the files were changed, or another "
        "version of transformers reads them otherwise; reinstall"
    )
