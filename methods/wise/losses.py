"""The loss that tells edited questions from all others by what they wake (Wang et al., 2024, Eq. 5).

An activation is |A(x)(W' - W)|, by how much a side memory would change what its layer says at x.
"""

from __future__ import annotations

from torch import Tensor


def routing_loss(inside: Tensor, outside: Tensor, alpha: float, beta: float, gamma: float) -> Tensor:
    """L_a of the activations `inside` [n], at the edit, and `outside` [m], at questions to be kept:

        max(0, outside - alpha) + max(0, beta - inside) + max(0, gamma - (inside - outside))

    Each of the three is averaged over the activations, or pairs of them, that violate it.
    """
    if not len(outside):
        return _violated(beta - inside)
    return (
        _violated(outside - alpha) + _violated(beta - inside) + _violated(gamma - (inside[:, None] - outside))
    )


def _violated(excess: Tensor) -> Tensor:
    """Mean of what is above zero; zero, with a gradient of zero, where nothing is."""
    positive = excess.clamp_min(0)
    return positive.sum() / (excess > 0).sum().clamp_min(1)
