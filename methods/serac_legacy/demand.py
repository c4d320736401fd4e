"""What the jointly trained port takes."""

from __future__ import annotations

from typing import Any

from methods.serac.demand import entry_of, table, tokens, written
from methods.serac.reader import Networks, Sizes
from methods.serac_legacy.reader import Port
from mmedit_bench.backbones.demand import SINGLE, Demand, Fit, Load, Pass, numbers_of
from mmedit_bench.editors import Edit, Route, Shared

QUESTIONS = 3
"""Of a case in one step: another wording, another picture, and one to be kept."""


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """As `serac`'s, with one loss through both networks and the backbone's own answers."""
    s = editor.settings(shape)
    numbers, held = numbers_of(lambda: editor.fresh(shape, 0))
    sizes = Sizes(shape.width, s.scope_hidden, s.scope_code, False, s.size, s.layers, s.heads)
    training = Fit(
        numbers=numbers, moments=2, steps=s.steps, passes=(Pass(times=QUESTIONS * s.batch),),
        beside=table(shape) + written(shape, load, QUESTIONS * s.batch),
        products=QUESTIONS * s.batch
        * (tokens(load) * numbers + load.answer * shape.vocabulary * shape.width),
    )  # fmt: skip
    port = Port(Networks(Shared({}), sizes), (entry_of(load, s.scope_code),))
    return Demand(
        edit=Edit((Route(port, load.request.id),)),
        learned=(training,), held=held, asking=table(shape) + SINGLE * 4 * load.batch * shape.vocabulary,
    )  # fmt: skip
