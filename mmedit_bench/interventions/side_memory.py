"""A second weight beside a linear layer's own, read where an edit is recognised."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle

from mmedit_bench.errors import BenchError
from mmedit_bench.interventions.base import (
    EMPTY,
    Intervention,
    Layout,
    register_intervention,
    submodule,
)
from mmedit_bench.interventions.shared import Shared


class Branch(NamedTuple):
    """One side memory as it acts."""

    delta: Tensor
    """What it differs by from the layer's own weight: [out, in]."""
    threshold: float
    """Activation from which on it is read."""


@dataclass(frozen=True, eq=False)
class SideMemory(Intervention):
    """W' = W + D in place of W, at positions that wake it (Wang et al., NeurIPS 2024, Eq. 2 and 3).

    x is what the linear layer at path `module` reads at one position, D a side memory's difference
    from the layer's own weight. Its activation is |D x|, which is |A(x)(W' - W)| of the paper. Of the
    side memories whose activation reaches their threshold, the one with the largest is read:

        y = W x + b + D x, and y = W x + b where none reaches it.

    `deltas` [s, out, in] are the shards that side memories are made of, numbered by `shards`
    (ascending). `shards_per_memory` consecutive numbers make one memory (0: all numbers make one),
    in which they are joined by `ties`. Its threshold is `ratio` times the smallest of its shards'
    `least`: the activation of the edit that wakes it least.

    The deltas of edits in one shard add up, shard by shard; edits of other shards stand beside them.
    Each position decides for itself, so decoding and teacher forcing agree, and so do batches.
    """

    stateless: ClassVar[bool] = True
    module: str
    deltas: Tensor
    shards: tuple[int, ...]
    least: tuple[float, ...]
    ratio: float
    density: float
    shards_per_memory: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shards", tuple(self.shards))
        object.__setattr__(self, "least", tuple(self.least))
        count = len(self.shards)
        if self.deltas.ndim != 3 or not len(self.deltas) == len(self.least) == count or not count:
            raise BenchError(
                f"SideMemory on {self.module}: deltas {tuple(self.deltas.shape)}, {count} shards and "
                f"{len(self.least)} activations are not [s, out, in], s and s"
            )
        if list(self.shards) != sorted(set(self.shards)) or self.shards[0] < 0:
            raise BenchError(f"SideMemory on {self.module}: shards {self.shards} are not ascending from 0 on")
        if not 0 < self.density <= 1 or not 0 <= self.ratio <= 1 or self.shards_per_memory < 0:
            raise BenchError(
                f"SideMemory on {self.module}: density {self.density} is not in (0, 1], ratio {self.ratio} "
                f"not in [0, 1], or shards_per_memory {self.shards_per_memory} is negative"
            )

    # ---- description

    def tensors(self) -> Mapping[str, Tensor]:
        return {"deltas": self.deltas}

    def plain(self) -> Mapping[str, Any]:
        names = ("module", "ratio", "density", "shards_per_memory")
        own = {name: getattr(self, name) for name in names}
        return own | {"shards": list(self.shards), "least": list(self.least)}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared] = EMPTY
    ) -> Self:
        return cls(deltas=tensors["deltas"], **plain)

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return (self.module,)

    # ---- folding

    @property
    def place(self) -> Hashable | None:
        if type(self) is not SideMemory:
            return None  # what derives from a side memory may act otherwise
        return ("side memory", self.module, self.ratio, self.density, self.shards_per_memory)

    def merged(self, other: Intervention) -> Intervention | None:
        if type(other) is not SideMemory or self.deltas.shape[1:] != other.deltas.shape[1:]:
            return None
        if self.deltas.dtype != other.deltas.dtype:
            return None
        deltas: dict[int, Tensor] = dict(zip(self.shards, self.deltas, strict=True))
        least = dict(zip(self.shards, self.least, strict=True))
        for shard, delta, activation in zip(other.shards, other.deltas, other.least, strict=True):
            deltas[shard] = deltas[shard] + delta if shard in deltas else delta
            least[shard] = min(least.get(shard, activation), activation)
        numbers = tuple(sorted(deltas))
        return replace(
            self,
            deltas=torch.stack([deltas[number] for number in numbers]),
            shards=numbers,
            least=tuple(least[number] for number in numbers),
        )

    # ---- action

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        """The side memories, in the order of their shards."""
        found: dict[int, list[int]] = {}
        for row, shard in enumerate(self.shards):
            found.setdefault(shard // self.shards_per_memory if self.shards_per_memory else 0, []).append(row)
        return tuple(
            Branch(ties(self.deltas[rows], self.density), self.ratio * min(self.least[row] for row in rows))
            for rows in found.values()
        )

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        module = submodule(model, self.module)
        if not isinstance(module, nn.Linear):
            raise BenchError(
                f"{self.module} is a {type(module).__name__}; side memories stand beside linears"
            )
        if tuple(module.weight.shape) != tuple(self.deltas.shape[1:]):
            raise BenchError(
                f"{self.module} has a weight of shape {tuple(module.weight.shape)}, the side memory has "
                f"{tuple(self.deltas.shape[1:])}"
            )

        def hook(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            x, added, loudest = args[0], torch.zeros_like(output), output.new_full(output.shape[:-1], -1.0)
            loudest = loudest.float()
            for branch in self.branches:
                own = linear(x, branch.delta.to(x))
                activation = activations(own)
                taken = (activation >= branch.threshold) & (activation > loudest)
                added = torch.where(taken[..., None], own, added)
                loudest = torch.where(taken, activation, loudest)
            return output + added

        yield module.register_forward_hook(hook)


def activations(product: Tensor) -> Tensor:
    """|D x| of products D x [..., out]: [...], in single precision at least."""
    sizes: Tensor = product.to(torch.promote_types(product.dtype, torch.float32)).norm(dim=-1)
    return sizes


def ties(deltas: Tensor, density: float) -> Tensor:
    """Shards [s, out, in] joined into one delta [out, in] (Yadav et al., NeurIPS 2023).

    One shard is taken as it is. Of several, each is trimmed to the `density` of its numbers that are
    largest in size; the sign of an entry is that of its sum over shards; and the shards of that sign
    are averaged there. An entry that one shard has alone keeps its value.
    """
    if len(deltas) == 1:
        return deltas[0]
    kept = max(1, round(density * deltas[0].numel()))
    sizes = deltas.abs().flatten(1)
    smallest = sizes.topk(kept, dim=1).values[:, -1]
    trimmed = torch.where(sizes.view_as(deltas) >= smallest[:, None, None], deltas, 0)
    elected = torch.where(trimmed.sum(0) >= 0, 1.0, -1.0).to(deltas)
    agreeing = trimmed.sign() == elected
    return (trimmed * agreeing).sum(0) / agreeing.sum(0).clamp_min(1)


register_intervention("side_memory", SideMemory)
