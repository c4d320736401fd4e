"""A training that notes what each step went by."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mmedit_bench.harness.training import Step, Training


@dataclass(frozen=True)
class Seen:
    """One step: the module's state before and after it, and the gradients that the optimisers went by."""

    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]


class Recorded(Training):
    """Steps by label."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.seen: dict[str, list[Seen]] = {}

    def run(
        self,
        steps: int,
        step: Step,
        *,
        module: nn.Module,
        optimisers: Sequence[Optimizer] = (),
        label: str = "train",
    ) -> None:
        """As of a training."""
        kept = self.seen[label] = []

        def watched(index: int, rng: random.Random) -> Mapping[str, float]:
            before = copied(module.state_dict())
            values = step(index, rng)
            gradients = {name: own.grad for name, own in module.named_parameters() if own.grad is not None}
            kept.append(Seen(before, copied(module.state_dict()), copied(gradients)))
            return values

        super().run(steps, watched, module=module, optimisers=optimisers, label=label)


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def far_apart(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], tolerance: float = 1e-3
) -> list[str]:
    """Names of tensors that differ by more than a share of the wanted one's length, or are in one only."""
    assert any(own.norm() > 0 for own in wanted.values()), "nothing to compare"
    longest = max(float(own.norm()) for own in wanted.values())
    apart = sorted(found.keys() ^ wanted.keys())
    for name in found.keys() & wanted.keys():
        # what is nothing but rounding beside the rest may be anything
        allowed = tolerance * float(wanted[name].norm()) + 1e-5 * longest
        if not torch.linalg.vector_norm(found[name] - wanted[name]) <= allowed:
            apart.append(name)
    return apart


def plain_likelihood(logits: Tensor, ids: Sequence[int]) -> Tensor:
    """Mean negative log-likelihood of tokens by their logits [tokens, vocabulary]."""
    terms = [row.exp().sum().log() - row[i] for row, i in zip(logits, ids, strict=True)]
    return torch.stack(terms).mean()


def plain_divergence(before: Tensor, after: Tensor) -> Tensor:
    """Mean KL(before || after) over tokens, by logits [tokens, vocabulary]."""
    terms = []
    for p, q in zip(before.detach().softmax(-1), after.softmax(-1), strict=True):
        terms.append((p * (p.log() - q.log())).sum())
    return torch.stack(terms).mean()
