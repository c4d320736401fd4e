"""What demonstrations before a question take."""

from __future__ import annotations

from typing import Any

from mmedit_bench.backbones.demand import SINGLE, Demand, Load
from mmedit_bench.editors import Context, Edit

FRAME = 8
"""Tokens of the words around a fact and its question."""
MINILM = 384
"""Width of the sentence encoder's vectors."""


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """A text, as if every demonstration were as long as the request, and an index of the train split."""
    s = editor.settings(shape)
    request = load.request
    fact = f"New Fact: {request.query.prompt} {request.target}\nPrompt: "
    text = shown(shape, load, s.demonstrations, s.reserve) * demonstration(load) + fact
    return Demand(
        edit=Edit((Context(text, request.id),)), context=context(shape, load, s.demonstrations, s.reserve),
        held=SINGLE * load.cases * vector(shape, s.retriever),
    )  # fmt: skip


def demonstration(load: Load) -> str:
    """The request, shown as a demonstration is."""
    said = f"{load.request.query.prompt} {load.request.target}"
    return f"New Fact: {said}\nPrompt: {said}\n\n"


def shown(shape: Any, load: Load, most: int, reserve: int) -> int:
    """How many demonstrations fit the positions."""
    room = shape.max_positions - load.tokens - reserve - load.sentence - FRAME
    return max(0, min(most, load.cases, int(room) // (2 * load.sentence + FRAME)))


def context(shape: Any, load: Load, most: int, reserve: int) -> int:
    """Tokens of demonstrations and the new fact."""
    count = shown(shape, load, most, reserve)
    return count * (2 * load.sentence + FRAME) + load.sentence + FRAME


def vector(shape: Any, retriever: str) -> int:
    """Width of a retriever's vectors."""
    return int(shape.width) if retriever == "backbone" else MINILM
