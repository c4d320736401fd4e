"""Gradient descent on the tensors of one edit, shared by the methods that fit an edit to its request."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.optim import Optimizer


class Descent(NamedTuple):
    """Steps taken, and the loss before the last of them (or the one that ended it)."""

    steps: int
    loss: float

    def note(self) -> dict[str, str]:
        """For the note of an edit."""
        return {"steps": str(self.steps), "last_loss": f"{self.loss:.4f}"}


def descend(
    loss: Callable[[], Tensor],
    optimiser: Optimizer,
    steps: int,
    *,
    done: Callable[[float], bool] = lambda value: False,
    after: Callable[[], None] = lambda: None,
) -> Descent:
    """At most `steps` steps down `loss()`; stops before one as soon as `done(value)` says so.

    `after` is called after each step, for instance to project back onto a constraint.
    """
    taken, value = 0, float("nan")
    for _ in range(steps):
        current = loss()
        value = current.item()
        if done(value):
            break
        optimiser.zero_grad()
        current.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        after()
        taken += 1
    return Descent(taken, value)
