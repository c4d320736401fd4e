"""An edit is a value: a small bundle of interventions on a backbone that is never written to.

Each intervention is a plain description with tensors. It acts while a call runs, through forward
hooks, a text in front of the prompt, or an answer given elsewhere, and stays differentiable in its
tensors. `fold` makes many edits few interventions. `Edit.save` writes safetensors that replay without
the editor's code, save for a route, whose reader is a registered class.
"""

from mmedit_bench.errors import NotSavable
from mmedit_bench.interventions.base import (
    Intervention,
    Layout,
    register_intervention,
)
from mmedit_bench.interventions.codebook import Codebook
from mmedit_bench.interventions.context import Context
from mmedit_bench.interventions.edit import Edit
from mmedit_bench.interventions.fold import fold
from mmedit_bench.interventions.hooks import acts_from, attached, stateless
from mmedit_bench.interventions.matrix import MatrixDelta
from mmedit_bench.interventions.memory import AttentionMemory
from mmedit_bench.interventions.neurons import ExtraNeurons
from mmedit_bench.interventions.questions import Asked, asked, asking
from mmedit_bench.interventions.routes import (
    ConstantAnswer,
    Everything,
    Reader,
    Route,
    Scope,
    register_reader,
)
from mmedit_bench.interventions.shared import Shared
from mmedit_bench.interventions.side_memory import SideMemory
from mmedit_bench.interventions.weights import LowRankDelta, WeightDelta

__all__ = [
    "Asked",
    "AttentionMemory",
    "Codebook",
    "ConstantAnswer",
    "Context",
    "Edit",
    "Everything",
    "ExtraNeurons",
    "Intervention",
    "Layout",
    "LowRankDelta",
    "MatrixDelta",
    "NotSavable",
    "Reader",
    "Route",
    "Scope",
    "Shared",
    "SideMemory",
    "WeightDelta",
    "acts_from",
    "asked",
    "asking",
    "attached",
    "fold",
    "register_intervention",
    "register_reader",
    "stateless",
]
