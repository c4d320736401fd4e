"""Intrinsic knowledge: key-value pairs added to feed-forward layers (Eq. 3), steered by zeta (Eq. 6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from methods.t_patcher.losses import activation_loss, contrast_loss, memory_loss
from mmedit_bench.editors import ExtraNeurons


@dataclass
class Pairs:
    """n trainable pairs of one layer, and W_zeta; q is what the layer's feed-forward part reads.

    W_zeta is trained with the pairs, from zero, unless one that was learned beforehand is given.

    FFN'(q) = FFN(q) + act(q keys^T + bias) (values + beta * zeta'), zeta' = W_zeta zeta, the same
    vector for each value. In gated layers act(q keys^T + bias) is multiplied by q up_keys^T.
    """

    layer: int
    keys: Tensor
    bias: Tensor
    values: Tensor
    up_keys: Tensor | None
    zeta: Tensor | None = None
    """[d]; None leaves the values alone."""
    beta: float = 1.0
    own: Tensor | None = None
    """[n, d]: the query that each pair is for, where there is one."""
    learned: Tensor | None = None
    """[d, d]: a W_zeta that stays as it is."""
    w_zeta: Tensor | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.zeta is not None and self.learned is None:
            # from zero: the edit begins as the unedited model
            self.w_zeta = torch.zeros(len(self.zeta), len(self.zeta)).to(self.zeta)
        for tensor in self.parameters():
            tensor.requires_grad_()

    def parameters(self) -> Iterator[Tensor]:
        """What an edit trains."""
        yield from (self.keys, self.bias, self.values)
        yield from (tensor for tensor in (self.up_keys, self.w_zeta) if tensor is not None)

    @property
    def steered(self) -> Tensor:
        """values + beta * W_zeta zeta: [n, d]."""
        shift = self.shift
        return self.values if shift is None else self.values + shift

    @property
    def shift(self) -> Tensor | None:
        """beta * W_zeta zeta: [d]; None without zeta."""
        back = self.w_zeta if self.learned is None else self.learned
        return None if self.zeta is None or back is None else self.beta * (back @ self.zeta)

    def manners(self, quiet: Tensor, activation: float, memory: float) -> Tensor:
        """The losses of Huang et al. (ICLR 2023) that tie a pair to its own query: weighted l_a + l_m.

        `quiet` [m, d] are queries at which the pairs should not fire. Pairs begun at random have no
        query of their own, so nothing but l_m1 applies to them.
        """
        signal = quiet @ self.keys.T + self.bias
        if self.own is None:
            return memory * memory_loss(signal)
        own = (self.own * self.keys).sum(-1) + self.bias
        return activation * activation_loss(own) + memory * (memory_loss(signal) + contrast_loss(own, signal))

    def neurons(self) -> ExtraNeurons:
        """The pairs as an intervention; the zeta term is part of its values."""
        return ExtraNeurons(self.layer, self.keys, self.bias, self.steered, self.up_keys)

    def frozen(self) -> ExtraNeurons:
        """The same without gradient and of its own."""
        up = None if self.up_keys is None else self.up_keys.detach().clone()
        keys, bias, values = (t.detach().clone() for t in (self.keys, self.bias, self.steered))
        return ExtraNeurons(self.layer, keys, bias, values, up)


def pairs_at_queries(layer: int, queries: Tensor, count: int, gated: bool) -> Pairs:
    """`count` pairs whose keys are q / |q|^2 of the given queries [t, d], in turn; values zero.

    Such a key gives its own query pre-activation 1 (the initialisation of Huang et al., ICLR 2023).
    A gated layer's up keys are equal, so that the product begins at act(1) * 1.
    """
    queries = queries.float()
    chosen = queries[torch.arange(count) % len(queries)]
    keys = chosen / chosen.square().sum(-1, keepdim=True)
    up = keys.clone() if gated else None
    return Pairs(layer, keys, torch.zeros(count).to(keys), torch.zeros_like(keys), up, own=chosen)


def pairs_at_random(
    layer: int, width: int, count: int, gated: bool, generator: torch.Generator, device: torch.device
) -> Pairs:
    """`count` pairs with keys as a linear layer begins with them, and values zero."""

    def keys() -> Tensor:
        drawn: Tensor = (torch.rand(count, width, generator=generator) * 2 - 1) / width**0.5
        return drawn.to(device)  # drawn where the generator is: the same numbers on every device

    first, up = keys(), keys() if gated else None
    return Pairs(layer, first, first.new_zeros(count), torch.zeros_like(first), up)
