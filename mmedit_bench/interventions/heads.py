"""A layer's own queries, keys and values, head by head, as its attention makes them before rotation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mmedit_bench.interventions.base import Layout, submodule


@dataclass(frozen=True)
class Heads:
    """Projections of one self-attention, and the norms of its query and key heads where it has some.

    Each method takes [b, n, d] and gives [b, H, n, e]; with grouped queries there are fewer key and
    value heads than query heads.
    """

    size: int
    """Width e of a head."""
    q: nn.Module
    k: nn.Module
    v: nn.Module
    q_norm: nn.Module | None = None
    k_norm: nn.Module | None = None

    @classmethod
    def of(cls, attention: nn.Module, layout: Layout) -> Heads:
        """Those of a self-attention module of a model laid out so."""
        q, k, v = (submodule(attention, name) for name in layout.attention_linears[:3])
        norms = (
            None if name is None else submodule(attention, name) for name in (layout.q_norm, layout.k_norm)
        )
        return cls(int(attention.head_dim), q, k, v, *norms)  # type: ignore[arg-type]

    def queries(self, h: Tensor) -> Tensor:
        """Queries of states, normed."""
        return _normed(split(self.q(h), self.size), self.q_norm)

    def keys(self, h: Tensor) -> Tensor:
        """Keys of states, normed."""
        return _normed(split(self.k(h), self.size), self.k_norm)

    def values(self, h: Tensor) -> Tensor:
        """Values of states."""
        return split(self.v(h), self.size)


def split(x: Tensor, size: int) -> Tensor:
    """[b, n, H * e] -> [b, H, n, e]."""
    return x.reshape(*x.shape[:2], -1, size).transpose(1, 2)


def _normed(x: Tensor, norm: nn.Module | None) -> Tensor:
    found: Tensor = x if norm is None else norm(x)
    return found
