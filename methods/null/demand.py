"""What the editor that does nothing takes."""

from __future__ import annotations

from typing import Any

from mmedit_bench.backbones.demand import Demand, Load


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """Nothing."""
    return Demand()
