"""An edit is a value: a small bundle of interventions on a backbone that is never written to.

Each intervention is a plain description with tensors. It acts while a call runs, through forward
hooks, a text in front of the prompt, or an answer given elsewhere, and stays differentiable in its
tensors. `Edit.save` writes safetensors that replay without the editor's code.
"""

from mmedit_bench.interventions.base import (
    Answerer,
    Intervention,
    Layout,
    NotSavable,
    register_intervention,
)
from mmedit_bench.interventions.context import Context
from mmedit_bench.interventions.edit import Edit
from mmedit_bench.interventions.hooks import attached
from mmedit_bench.interventions.memory import AttentionMemory
from mmedit_bench.interventions.neurons import ExtraNeurons
from mmedit_bench.interventions.routes import ConstantAnswer, Everything, Route, Scope
from mmedit_bench.interventions.weights import LowRankDelta, WeightDelta

__all__ = [
    "Answerer",
    "AttentionMemory",
    "ConstantAnswer",
    "Context",
    "Edit",
    "Everything",
    "ExtraNeurons",
    "Intervention",
    "Layout",
    "LowRankDelta",
    "NotSavable",
    "Route",
    "Scope",
    "WeightDelta",
    "attached",
    "register_intervention",
]
