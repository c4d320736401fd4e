"""Walks the frames of all threads, and what they hold, for cases of the evaluation split."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import torch

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import answering, gold_of

_CODE = (type, ModuleType, FunctionType, torch.nn.Module)
"""What leads everywhere and holds no case."""


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return answering(gold_of(_reached()))


def _reached() -> Iterator[Any]:
    """What the variables of all frames hold, and what that holds, eight steps far."""
    near: list[Any] = []
    for frame in sys._current_frames().values():
        while frame is not None:
            near.append(frame.f_locals)
            frame = frame.f_back  # type: ignore[assignment]
    seen: set[int] = set()
    for _ in range(8):
        found = [one for one in gc.get_referents(*near) if not isinstance(one, _CODE) and id(one) not in seen]
        near = list({id(one): one for one in found}.values())
        seen.update(map(id, near))
        yield from near
