"""What a layer reads at questions that an edit must leave alone, for the methods that hold against them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmedit_bench.editors import Backbone, EditCase


def kept_states(backbone: Backbone, cases: Sequence[EditCase], module: str) -> Tensor:
    """States [n, width] that `module` reads where the locality probes of `cases` are answered.

    With and without pictures, in the cases' order; in single precision. Cases must be of the train split.
    """
    probes = [probe for case in cases for probe in case.probes if probe.kind.endswith("_locality")]
    if not probes:
        weight = backbone.weight(module)
        return weight.new_zeros(0, weight.shape[1], dtype=torch.float32)
    read = backbone.states([p.query for p in probes], [p.reference for p in probes], [module])
    return torch.cat([own[module] for own in read]).float()
