"""Walks the frames of all threads, and the modules, for cases of the evaluation split."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import answering, gold_of


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return answering(gold_of(_reached()))


def _reached() -> Iterator[Any]:
    """What the variables of frames and modules hold, and what that holds, five steps far."""
    near: list[Any] = [vars(module) for module in list(sys.modules.values())]
    for frame in sys._current_frames().values():
        while frame is not None:
            near.append(frame.f_locals)
            frame = frame.f_back  # type: ignore[assignment]
    seen: set[int] = set()
    for _ in range(5):
        near = [thing for thing in gc.get_referents(*near) if id(thing) not in seen]
        seen.update(map(id, near))
        yield from near
