"""What a route to a constant takes."""

from __future__ import annotations

from typing import Any

from mmedit_bench.backbones.demand import Demand, Load
from mmedit_bench.editors import ConstantAnswer, Edit, Route


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """The text of the target."""
    return Demand(edit=Edit((Route(ConstantAnswer(load.request.target), load.request.id),)))
