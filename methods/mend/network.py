"""The network that maps (u, delta) of a linear layer to pseudo-(u, delta) (Mitchell et al., ICLR 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mmedit_bench.editors import Edit, LowRankDelta

Gradients = Mapping[str, tuple[Tensor, Tensor]]
"""By module: inputs u [tokens, in] and output gradients delta [tokens, out]."""


class RunningNorm(nn.Module):
    """Subtracts the mean and divides by the deviation of everything seen while training.

    Mean and squared deviations are summed up exactly (Welford, in batches). Before anything is seen
    nothing is changed. A number that never varied is not divided: of its scale nothing is known.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("squares", torch.zeros(size))
        self.count: Tensor
        self.mean: Tensor
        self.squares: Tensor

    @torch.no_grad()
    def see(self, x: Tensor) -> None:
        """Take in rows [tokens, size]."""
        count = self.count + len(x)
        shift = x.mean(0) - self.mean
        self.squares += (x - x.mean(0)).square().sum(0) + shift.square() * self.count * len(x) / count
        self.mean += shift * len(x) / count
        self.count.copy_(count)

    def forward(self, x: Tensor) -> Tensor:
        """[tokens, size] -> the same, normalised."""
        if self.count < 2:
            return x
        deviation = (self.squares / (self.count - 1)).sqrt()
        # published code divides by 1e-7 there: one waking neuron that slept in training drowns the edit
        return (x - self.mean) / torch.where(deviation > 0, deviation + 1e-7, 1.0)


class LowRankLayer(nn.Module):
    """x + scale * (U V x + b) + offset, what is added clamped at zero unless it is the last layer.

    Scale and offset belong to the edited layer, the rest is shared. U, b and offset begin at zero,
    so the layer begins as the identity.
    """

    def __init__(self, size: int, rank: int, users: int, last: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.randn(rank, size, generator=generator) / size**0.5)
        self.u = nn.Parameter(torch.zeros(size, rank))
        self.b = nn.Parameter(torch.zeros(size))
        self.scale = nn.Parameter(torch.ones(users, size))
        self.offset = nn.Parameter(torch.zeros(users, size))
        self.last = last

    def forward(self, x: Tensor, user: int) -> Tensor:
        """[tokens, size] for the edited layer number `user`."""
        inner = self.scale[user] * (x @ self.v.T @ self.u.T + self.b) + self.offset[user]
        # not relu(): what is added begins as exactly zero, where relu passes no gradient and clamp does
        return x + (inner if self.last else inner.clamp(min=0))


class ShapeNetwork(nn.Module):
    """The shared network of all edited layers of one shape (in, out)."""

    def __init__(self, inputs: int, outputs: int, rank: int, users: int, generator: torch.Generator) -> None:
        super().__init__()
        self.inputs = inputs
        self.norm_u, self.norm_delta = RunningNorm(inputs), RunningNorm(outputs)
        size = inputs + outputs
        self.first = LowRankLayer(size, rank, users, last=False, generator=generator)
        self.second = LowRankLayer(size, rank, users, last=True, generator=generator)

    def forward(self, u: Tensor, delta: Tensor, user: int) -> tuple[Tensor, Tensor]:
        """Pseudo-activations and pseudo-gradients of the same shapes."""
        joined = torch.cat([self.norm_u(u), self.norm_delta(delta)], dim=-1)
        mapped = self.second(self.first(joined, user), user)
        return mapped[:, : self.inputs], mapped[:, self.inputs :]


class MENDNetwork(nn.Module):
    """Networks for all edited modules, and a learned step size for each."""

    def __init__(
        self, shapes: Mapping[str, tuple[int, int]], *, rank: int, edit_lr: float, seed: int
    ) -> None:
        """`shapes`: (in, out) by module path, in the order of editing."""
        super().__init__()
        self.modules_edited = tuple(shapes)
        generator = torch.Generator().manual_seed(seed)
        users: dict[tuple[int, int], list[str]] = {}
        for path, shape in shapes.items():
            users.setdefault(shape, []).append(path)
        self._place = {path: (shape, own.index(path)) for shape, own in users.items() for path in own}
        self.networks = nn.ModuleDict(
            {_key(shape): ShapeNetwork(*shape, rank, len(own), generator) for shape, own in users.items()}
        )
        self.steps = nn.Parameter(torch.full((len(shapes),), edit_lr))

    @torch.no_grad()
    def see(self, gradients: Gradients) -> None:
        """Take raw gradients into the running statistics. Tokens without gradient do not count."""
        for path in self.modules_edited:
            u, delta = _with_gradient(*gradients[path])
            network = self._network(path)
            network.norm_u.see(u)
            network.norm_delta.see(delta)

    def forward(self, gradients: Gradients) -> Edit:
        """W <- W - step * sum over tokens of delta~ u~^T, as one low-rank delta per module."""
        deltas = []
        for number, path in enumerate(self.modules_edited):
            u, delta = _with_gradient(*gradients[path])
            pseudo_u, pseudo_delta = self._network(path)(u, delta, self._place[path][1])
            deltas.append(LowRankDelta(path, -self.steps[number] * pseudo_delta.T, pseudo_u))
        return Edit(tuple(deltas))

    def _network(self, path: str) -> ShapeNetwork:
        found = self.networks[_key(self._place[path][0])]
        assert isinstance(found, ShapeNetwork)
        return found


def _key(shape: Sequence[int]) -> str:
    return "x".join(str(size) for size in shape)


def _with_gradient(u: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """Rows whose gradient is not exactly zero: the others add nothing to the weight's gradient."""
    used = delta.abs().sum(-1) > 0
    return u[used].float(), delta[used].float()
