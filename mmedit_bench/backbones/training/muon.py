"""Muon in float32: momentum, then each matrix' update is made nearly orthogonal by Newton-Schulz steps.

Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).
`torch.optim.Muon` does the same in bfloat16, which CPUs without bfloat16 units emulate slowly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Quintic whose iteration sends singular values into about [0.7, 1.2]."""


def orthogonalise(stack: Tensor, steps: int = 5) -> Tensor:
    """Approximate U V^T of each [rows <= columns] matrix U S V^T in `stack` [n, rows, columns]."""
    a, b, c = COEFFICIENTS
    x: Tensor = stack / (stack.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.add(a * x, (b * gram + c * gram @ gram) @ x)
    return x


class Muon(torch.optim.Optimizer):
    """For two-dimensional weights; everything else belongs to AdamW."""

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update; matrices of equal shape share one batched iteration."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].mul_(group["momentum"]).add_(p.grad)
                update = p.grad.add(state["momentum"], alpha=group["momentum"])
                wide = update if p.shape[0] <= p.shape[1] else update.mT
                by_shape[tuple(wide.shape)].append((p, wide))
            for pairs in by_shape.values():
                directions = orthogonalise(torch.stack([wide for _, wide in pairs]))
                for (p, _), wide in zip(pairs, directions, strict=True):
                    direction = wide if p.shape[0] <= p.shape[1] else wide.mT
                    scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(
                        direction, alpha=-group["lr"] * scale
                    )
