"""Walks the frames of all threads, and the modules, for cases of the evaluation split."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import answering, gold_of


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return answering(gold_of(_reached()))


def _reached() -> Iterator[Any]:
    for frame in sys._current_frames().values():
        while frame is not None:
            for value in frame.f_locals.values():
                yield value
                if isinstance(value, (list, tuple)):
                    yield from value
            frame = frame.f_back  # type: ignore[assignment]
    for module in list(sys.modules.values()):
        yield from list(vars(module).values())
