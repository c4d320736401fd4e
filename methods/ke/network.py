"""The hyper-network of KnowledgeEditor (De Cao et al., EMNLP 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from mmedit_bench.editors import Edit, WeightDelta


class Conditioner(nn.Module):
    """A BiLSTM over the embedded condition text; its last states through tanh are the condition c."""

    def __init__(self, width: int, hidden: int, condition: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, condition)

    def forward(self, embedded: Tensor) -> Tensor:
        """[tokens, width] -> c [condition]."""
        _, (last, _) = self.lstm(embedded.float()[None])
        found: Tensor = self.out(last.flatten()).tanh()
        return found


class Gate(nn.Module):
    """From c to the change of one matrix W [n, m] along its gradient G:

    A = softmax(a_row) a_col^T,  B = softmax(b_row) b_col^T,
    dW = scale * sigmoid(eta) * (A * G + B)
    """

    def __init__(self, condition: int, hidden: int, rows: int, columns: int, scale: float) -> None:
        super().__init__()
        self.sizes = (rows, columns, rows, columns, 1)
        self.scale = scale
        self.first = weight_norm(nn.Linear(condition, hidden))
        second = nn.Linear(hidden, sum(self.sizes))
        with torch.no_grad():  # a_col begins around -1: dW is first of all a step down the gradient
            second.bias[rows : rows + columns] -= 1
        self.second = weight_norm(second)

    def forward(self, c: Tensor, gradient: Tensor) -> Tensor:
        """c [condition], gradient [n, m] -> dW [n, m]."""
        a_row, a_col, b_row, b_col, eta = self.second(self.first(c).tanh()).split(self.sizes)
        gated = torch.outer(a_row.softmax(-1), a_col) * gradient
        found: Tensor = self.scale * eta.sigmoid() * (gated + torch.outer(b_row.softmax(-1), b_col))
        return found


class KENetwork(nn.Module):
    """Conditioner, a gate per edited matrix, and the state of the constrained optimisation."""

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        *,
        width: int,
        lstm: int,
        condition: int,
        hidden: int,
        scale: float,
        kl_margin: float,
        lp_margin: float,
        seed: int,
    ) -> None:
        """`shapes`: (n, m) by module path; `width` is that of the token embeddings."""
        super().__init__()
        self.modules_edited = tuple(shapes)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conditioner = Conditioner(width, lstm, condition)
            self.gates = nn.ModuleList(
                Gate(condition, hidden, rows, columns, scale) for rows, columns in shapes.values()
            )
        # multipliers (alpha) and margins (m) of the two constraints: KL on other inputs, norm of dW
        self.multipliers = nn.Parameter(torch.zeros(2))
        self.margins: Tensor
        self.register_buffer("margins", torch.tensor([kl_margin, lp_margin]))

    def forward(self, embedded: Tensor, gradients: Mapping[str, tuple[Tensor, Tensor]]) -> Edit:
        """Embedded condition [tokens, width] and (inputs, output gradients) by module -> the edit."""
        c = self.conditioner(embedded)
        deltas = []
        for path, gate in zip(self.modules_edited, self.gates, strict=True):
            u, delta = gradients[path]
            deltas.append(WeightDelta(path, gate(c, unit_scale(delta.float().T @ u.float()))))
        return Edit(tuple(deltas))


def unit_scale(gradient: Tensor) -> Tensor:
    """The gradient [n, m] at Frobenius norm n, so that a uniform softmax over n rows makes it 1."""
    scaled: Tensor = gradient * (len(gradient) / gradient.norm().clamp_min(1e-12))
    return scaled


def norm_of(edit: Edit, p: float = 2.0) -> Tensor:
    """Mean over the matrices of (mean |dW|^p)^(1/p): the size of the change, whatever the shapes."""
    sizes = [t.abs().pow(p).mean().pow(1 / p) for item in edit.interventions for t in item.tensors().values()]
    return torch.stack(sizes).mean()
