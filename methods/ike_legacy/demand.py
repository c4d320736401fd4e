"""What the port's unconditional prefix takes."""

from __future__ import annotations

from typing import Any

from methods.ike.demand import FRAME, context, demonstration, shown, vector
from mmedit_bench.backbones.demand import SINGLE, Demand, Load
from mmedit_bench.editors import Context, Edit

SENTENCES = 3
"""Demonstrations that are indexed of each fact."""


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """As `ike`'s, with the new fact twice and three sentences of each fact in the index."""
    s = editor.settings(shape)
    said = f"{load.request.query.prompt} {load.request.target}"
    last = f"New Fact: {said}\nPrompt: {said}\n\nNew Fact: {said}\nPrompt: "
    text = shown(shape, load, s.demonstrations, s.reserve) * demonstration(load) + last
    return Demand(
        edit=Edit((Context(text, load.request.id),)),
        context=context(shape, load, s.demonstrations, s.reserve) + 2 * load.sentence + FRAME,
        held=SINGLE * SENTENCES * load.cases * vector(shape, s.retriever),
    )  # fmt: skip
