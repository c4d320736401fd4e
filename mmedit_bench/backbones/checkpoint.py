"""Reading a checkpoint folder: safetensors and JSON only.

config.json, model.safetensors (float16), tokenizer.json (with tokenizer_config.json),
preprocessor_config.json, and backbone.json with the fields "name" and "template".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmedit_bench.errors import BenchError

FILES = ("config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json", "backbone.json")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Checkpoint:
    """The parts of a backbone, on their device and in their number type."""

    model: Any
    tokenizer: Any
    image_processor: Any
    template: str


def read_checkpoint(folder: Path, *, device: str, dtype: str) -> Checkpoint:
    """Load all parts. Raises `BenchError` naming the missing file, field, or wrong setting."""
    from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    if dtype not in DTYPES:
        raise BenchError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise BenchError(f"checkpoint {folder}: missing {', '.join(missing)}")
    template = _template(folder / "backbone.json")
    with _quiet():
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=DTYPES[dtype], local_files_only=True, use_safetensors=True
        )
    try:
        model = model.to(device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a device that is not there
        raise BenchError(f"device {device!r} cannot be used: {error}") from None
    return Checkpoint(
        model,
        PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True),
        BlipImageProcessorPil.from_pretrained(folder, local_files_only=True),
        template,
    )


def _template(path: Path) -> str:
    try:
        template = json.loads(path.read_text(encoding="utf-8"))["template"]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path}: no JSON object with a field 'template' ({error!r})") from None
    if not isinstance(template, str):
        raise BenchError(f"{path}: field 'template' is a {type(template).__name__}, not a text")
    return template


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar for a load of a second; the setting is put back afterwards."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
