"""The truthfulness and the semantic encoder of one layer, and what is made from them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from methods.unike.losses import semantic_loss, truthfulness_loss
from methods.unike.store import States, Store
from mmedit_bench.editors import Training

Weights = tuple[Tensor, ...]
"""W1 [h, d], b1 [h], W2 [d, h], b2 [d] of a two-layer perceptron."""


RIDGE = 1e-3
"""Share of the codes' variance that keeps the map from codes to states from following noise."""


def encode(weights: Weights, x: Tensor) -> Tensor:
    """[n, d] -> [n, d], GELU in between."""
    first, bias, second, shift = weights
    return linear(gelu(linear(x, first, bias)), second, shift)


@dataclass(frozen=True)
class Encoders:
    """Enc_Tru and Enc_Sem of one layer."""

    truthfulness: Weights
    semantic: Weights

    def zeta(self, states: States, space: str = "real") -> Tensor:
        """Mean code of right answers minus mean code of wrong ones, [d], over the whole store.

        `space` "semantic" takes the semantic encoder in place of the truthfulness encoder; "random"
        a fixed random direction of the real one's length (both: Fig. 4c).
        """
        weights = self.semantic if space == "semantic" else self.truthfulness
        real: Tensor = encode(weights, states.right).mean(0) - encode(weights, states.wrong).mean(0)
        if space != "random":
            return real
        noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0)).to(real)
        scaled: Tensor = noise * real.norm() / noise.norm()
        return scaled

    def back(self, states: States, space: str = "real") -> Tensor:
        """W_zeta [d, d] from codes back to states, learned on the whole store: centred least squares.

        The slope of what best predicts a state from its code, with a ridge of `RIDGE` times the codes'
        mean variance. A difference of codes then becomes the difference of states that goes with it.
        `space` names the encoder as for `zeta`; a random direction is of the truthfulness space.
        """
        weights = self.semantic if space == "semantic" else self.truthfulness
        read = torch.cat([states.right, states.wrong]).double()
        codes = encode(tuple(w.double() for w in weights), read)
        codes, read = codes - codes.mean(0), read - read.mean(0)
        size = codes.shape[1]
        gram = codes.T @ codes
        ridge = RIDGE * gram.diagonal().mean() * torch.eye(size, dtype=gram.dtype, device=gram.device)
        slope: Tensor = torch.linalg.solve(gram + ridge, codes.T @ read)
        return slope.T.to(states.right)


def train_encoders(
    store: Store,
    training: Training,
    *,
    width: int,
    steps: int,
    lr: float,
    batch: int,
    temperature: float,
    anchor: bool,
) -> dict[int, Encoders]:
    """Both encoders of every layer, by L1 and L2 on batches of triplets, with Adam.

    The losses share no parameter, so the encoders are trained side by side.
    """
    layers = sorted(store.states)
    size, device = store.states[layers[0]].question.shape[1], store.states[layers[0]].question.device
    generator = torch.Generator().manual_seed(training.seed)
    module = nn.ParameterDict()
    for layer in layers:
        for kind in ("truthfulness", "semantic"):
            for number, tensor in enumerate(_fresh(size, width, generator)):
                module[f"{kind}_{layer}_{number}"] = nn.Parameter(tensor.to(device))
    optimiser = torch.optim.Adam(module.parameters(), lr=lr)

    def step(index: int, rng: random.Random) -> Mapping[str, float]:
        values: dict[str, float] = {}
        total = torch.zeros((), device=device)
        for layer in layers:
            states = store.states[layer]
            count = len(states.question)
            chosen = torch.tensor(rng.sample(range(count), min(batch, count)), device=device)
            question, right, wrong = states.question[chosen], states.right[chosen], states.wrong[chosen]
            own = _weights(module, layer)
            first = truthfulness_loss(
                encode(own.truthfulness, right), encode(own.truthfulness, wrong), temperature, anchor
            )
            second = semantic_loss(
                question, encode(own.semantic, right), encode(own.semantic, wrong), temperature
            )
            total = total + (first + second) / len(chosen)
            values |= {f"L1.{layer}": first.item() / len(chosen), f"L2.{layer}": second.item() / len(chosen)}
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return values

    training.run(steps, step, module=module, optimisers=[optimiser], label="encoders")
    return {layer: _weights(module, layer) for layer in layers}


@dataclass(frozen=True)
class Learned:
    """All that is trained and collected before the first edit."""

    store: Store
    encoders: Mapping[int, Encoders]

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a file."""
        found = self.store.tensors()
        for layer, own in self.encoders.items():
            for kind, weights in (("truthfulness", own.truthfulness), ("semantic", own.semantic)):
                found |= {f"{kind}.{layer}.{number}": tensor for number, tensor in enumerate(weights)}
        return found

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> Self:
        """The inverse of `tensors`."""
        store = Store.restore(tensors)
        encoders = {
            layer: Encoders(
                *(_numbered(tensors, f"{kind}.{layer}.") for kind in ("truthfulness", "semantic"))
            )
            for layer in store.states
        }
        return cls(store, encoders)


def _numbered(tensors: Mapping[str, Any], start: str) -> tuple[Any, ...]:
    return tuple(tensors[name] for name in sorted(tensors) if name.startswith(start))


def _fresh(size: int, width: int, generator: torch.Generator) -> Sequence[Tensor]:
    """The usual initialisation of linear layers, from a generator of our own."""

    def uniform(*shape: int, fan: int) -> Tensor:
        drawn: Tensor = (torch.rand(*shape, generator=generator) * 2 - 1) / fan**0.5
        return drawn

    return (
        uniform(width, size, fan=size),
        uniform(width, fan=size),
        uniform(size, width, fan=width),
        uniform(size, fan=width),
    )


def _weights(module: nn.ParameterDict, layer: int) -> Encoders:
    both = (tuple(module[f"{kind}_{layer}_{n}"] for n in range(4)) for kind in ("truthfulness", "semantic"))
    return Encoders(*both)
