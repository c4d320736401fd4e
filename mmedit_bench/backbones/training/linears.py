"""Multiplications of a training in bfloat16, everything else in float32.

`torch.autocast` would put attention into bfloat16 too, where CPU kernels are slower than in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn


class _Product(torch.autograd.Function):
    """x @ w.T with factors rounded to bfloat16, forwards and backwards; sums are float32 inside."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x, weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, weight)
        return (x @ weight.T).float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        grad = grads[0].bfloat16()
        own = grad.flatten(0, -2).T @ x.flatten(0, -2)
        return (grad @ weight).float(), own.float()


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x [..., in], weight [out, in] -> [..., out], float32, of factors in bfloat16."""
    return cast(Tensor, _Product.apply(x, weight))  # type: ignore[no-untyped-call]


@contextmanager
def bfloat16_linears(module: nn.Module) -> Iterator[None]:
    """Within, every `nn.Linear` below `module` multiplies in bfloat16; biases are added in float32."""
    changed = [part for part in module.modules() if isinstance(part, nn.Linear)]

    def replaced(part: nn.Linear) -> Any:
        def forward(x: Tensor) -> Tensor:
            out = product(x, part.weight)
            bias: Tensor | None = part.bias
            return out if bias is None else out + bias

        return forward

    for part in changed:
        part.forward = replaced(part)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for part in changed:
            del part.forward
