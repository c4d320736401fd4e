"""The two contrastive losses that train UniKE's encoders (Pan et al., NeurIPS 2024, Eq. 4 and 5)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def similarity(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Cosines of [n, d] and [m, d] over a temperature: [n, m]. The paper names no similarity."""
    return normalize(a, dim=-1) @ normalize(b, dim=-1).T / temperature


def truthfulness_loss(right: Tensor, wrong: Tensor, temperature: float, anchor: bool = True) -> Tensor:
    """L1 (Eq. 4) of encoded states of n right and n wrong answers, [n, h] each; a sum over i.

    Positives of a state are all states of equal truthfulness, itself included, as printed;
    negatives are all of the opposite one. Without `anchor` the state itself is left out of both
    sums: its similarity to itself is the largest there can be, so that at a low temperature spreading
    all codes apart would do as well as sorting them. A single state has no positive then: 0.
    """
    total = torch.zeros((), device=right.device, dtype=right.dtype)
    if not anchor and len(right) < 2:
        return total
    itself = torch.eye(len(right), dtype=torch.bool, device=right.device) & (not anchor)
    for anchors, others in ((right, wrong), (wrong, right)):
        own = similarity(anchors, anchors, temperature).masked_fill(itself, float("-inf"))
        both = torch.cat([own, similarity(anchors, others, temperature)], dim=-1)
        total = total + (both.logsumexp(-1) - own.logsumexp(-1)).sum()
    return total


def semantic_loss(question: Tensor, right: Tensor, wrong: Tensor, temperature: float) -> Tensor:
    """L2 (Eq. 5) of raw question states [n, d] and encoded answer states [n, d] each; a sum over i.

    The anchor is the question's state itself, not encoded. Its positives are the codes of its own
    right and wrong answer; the codes of the other triplets are negatives.
    """
    to_right, to_wrong = similarity(question, right, temperature), similarity(question, wrong, temperature)
    own = torch.stack([to_right.diagonal(), to_wrong.diagonal()]).logsumexp(0)
    return (torch.cat([to_right, to_wrong], dim=-1).logsumexp(-1) - own).sum()
