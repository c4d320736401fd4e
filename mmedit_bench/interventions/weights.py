"""Changes of a linear layer's weight, added as a product of their own to the layer's output."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle

from mmedit_bench.errors import BenchError
from mmedit_bench.interventions.base import Intervention, Layout, register_intervention, submodule


@dataclass(frozen=True, eq=False)
class WeightDelta(Intervention):
    """W' = W + delta for the linear layer at path `module`; delta is [out, in].

    Deltas of one module add up, low-rank ones too.
    """

    stateless: ClassVar[bool] = True
    module: str
    delta: Tensor

    def __post_init__(self) -> None:
        if self.delta.ndim != 2:
            raise BenchError(
                f"WeightDelta on {self.module}: shape {tuple(self.delta.shape)} is not [out, in]"
            )

    def tensors(self) -> Mapping[str, Tensor]:
        return {"delta": self.delta}

    def plain(self) -> Mapping[str, Any]:
        return {"module": self.module}

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return (self.module,)

    @property
    def place(self) -> Hashable | None:
        # what derives from a delta may act otherwise
        return ("weight", self.module) if type(self) is WeightDelta else None

    def merged(self, other: Intervention) -> Intervention | None:
        return _sum(self, other) if type(other) in (WeightDelta, LowRankDelta) else None

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        yield _add_product(model, self.module, tuple(self.delta.shape), lambda x: linear(x, self.delta.to(x)))


@dataclass(frozen=True, eq=False)
class LowRankDelta(Intervention):
    """W' = W + left right for the linear layer at path `module`; left [out, r], right [r, in].

    Low-rank deltas of one module are stacked, rank by rank, until their product costs less as one
    matrix: r (out + in) > out in.
    """

    stateless: ClassVar[bool] = True
    module: str
    left: Tensor
    right: Tensor

    def __post_init__(self) -> None:
        if self.left.ndim != 2 or self.right.ndim != 2 or self.left.shape[1] != self.right.shape[0]:
            shapes = f"{tuple(self.left.shape)} and {tuple(self.right.shape)}"
            raise BenchError(f"LowRankDelta on {self.module}: shapes {shapes} are not [out, r], [r, in]")

    def tensors(self) -> Mapping[str, Tensor]:
        return {"left": self.left, "right": self.right}

    def plain(self) -> Mapping[str, Any]:
        return {"module": self.module}

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return (self.module,)

    @property
    def place(self) -> Hashable | None:
        # what derives from a delta may act otherwise
        return ("weight", self.module) if type(self) is LowRankDelta else None

    def merged(self, other: Intervention) -> Intervention | None:
        return _sum(self, other) if type(other) in (WeightDelta, LowRankDelta) else None

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        shape = (self.left.shape[0], self.right.shape[1])
        yield _add_product(
            model, self.module, shape, lambda x: linear(linear(x, self.right.to(x)), self.left.to(x))
        )


def _sum(first: WeightDelta | LowRankDelta, second: Any) -> Intervention | None:
    """One delta in place of two of a module, if both are of one shape and number type."""
    if isinstance(first, LowRankDelta) and isinstance(second, LowRankDelta):
        return _stack(first, second)
    a, b = _dense(first), _dense(second)
    return WeightDelta(first.module, a + b) if a.shape == b.shape and a.dtype == b.dtype else None


def _stack(first: LowRankDelta, second: LowRankDelta) -> Intervention | None:
    rows, columns = first.left.shape[0], first.right.shape[1]
    same = (rows, columns) == (second.left.shape[0], second.right.shape[1])
    if not same or {first.left.dtype, first.right.dtype} != {second.left.dtype, second.right.dtype}:
        return None
    left, right = torch.cat([first.left, second.left], dim=1), torch.cat([first.right, second.right])
    if left.shape[1] * (rows + columns) > rows * columns:
        return WeightDelta(first.module, left @ right)
    return LowRankDelta(first.module, left, right)


def _dense(item: WeightDelta | LowRankDelta) -> Tensor:
    return item.delta if isinstance(item, WeightDelta) else item.left @ item.right


def _add_product(
    model: nn.Module, path: str, shape: tuple[int, ...], product: Callable[[Tensor], Tensor]
) -> RemovableHandle:
    """Hook the linear layer at `path` so that `product(input)` is added to its output."""
    module = submodule(model, path)
    if not isinstance(module, nn.Linear):
        raise BenchError(f"{path} is a {type(module).__name__}; weight deltas act on linear layers only")
    if shape != tuple(module.weight.shape):
        raise BenchError(f"{path} has a weight of shape {tuple(module.weight.shape)}, the delta has {shape}")

    def hook(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + product(args[0])

    return module.register_forward_hook(hook)


register_intervention("weight_delta", WeightDelta)
register_intervention("low_rank_delta", LowRankDelta)
