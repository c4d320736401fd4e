"""The losses that tie a patch to its own query (Huang et al., ICLR 2023, section 3.3).

s = q k + b is a patch's pre-activation. `own` [n] holds each patch's s at its own query, `memory`
[m, n] every patch's s at the m queries of the memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

MARGIN = 3.0
"""By how much memory queries should stay below zero, and below the patch's own query."""
LOUDEST = 1000
"""Memory queries that count, per patch: those with the largest terms."""


def activation_loss(own: Tensor, most: int = 5) -> Tensor:
    """l_a: mean of the `most` largest exp(-s_e): a patch is to fire at its own query."""
    return torch.exp(-own).topk(min(most, len(own))).values.mean()


def memory_loss(memory: Tensor, margin: float = MARGIN, most: int = LOUDEST) -> Tensor:
    """l_m1: per patch the mean of the `most` largest exp(s_M + margin), averaged over patches."""
    return _loudest(torch.exp(memory + margin), most)


def contrast_loss(own: Tensor, memory: Tensor, margin: float = MARGIN, most: int = LOUDEST) -> Tensor:
    """l_m2: the same of exp(s_M - s_e + margin): memory stays below the patch's own query."""
    return _loudest(torch.exp(memory - own + margin), most)


def _loudest(terms: Tensor, most: int) -> Tensor:
    return terms.topk(min(most, len(terms)), dim=0).values.mean()
