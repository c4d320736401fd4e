"""What modules read, and the gradients at their outputs, while a backbone runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mmedit_bench.backbones.inputs import Row
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions.base import submodule


@contextmanager
def reading(model: nn.Module, modules: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect what each module reads, [batch, positions, width]; of several calls, the last counts.

    Hooks run in the order they were installed, so edits that act when this begins come first: what
    is collected is what the edited model reads.
    """
    seen: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for path in modules:

            def remember(
                _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], path: str = path
            ) -> None:
                seen[path] = args[0] if args else kwargs["hidden_states"]

            handle = submodule(model, path).register_forward_pre_hook(remember, with_kwargs=True)
            stack.callback(handle.remove)
        yield seen


@contextmanager
def tracing(model: nn.Module, modules: Sequence[str]) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """Collect input and output of each linear module, [batch, positions, width], ready for gradients.

    Outputs become leaves of the graph if nothing before them needs a gradient. Raises `BenchError`
    for a module that is not linear.
    """
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    with ExitStack() as stack:
        for path in modules:
            module = submodule(model, path)
            if not isinstance(module, nn.Linear):
                raise BenchError(f"{path} is a {type(module).__name__}; only linear layers are traced")

            def remember(_: nn.Module, args: tuple[Tensor, ...], output: Tensor, path: str = path) -> Tensor:
                traced = output if output.requires_grad else output.detach().requires_grad_()
                seen[path] = (args[0].detach(), traced)
                return traced

            stack.callback(module.register_forward_hook(remember).remove)
        yield seen


def answer_rows(values: Tensor, rows: Sequence[Row]) -> list[Tensor]:
    """The rows of [batch, positions, width] at which each answer token is predicted.

    Inputs end together: the last position is that of </s>, which predicts nothing.
    """
    own = values.reshape(len(rows), -1, values.shape[-1])  # some layers flatten batch and positions
    return [own[i, -len(row.answer) - 1 : -1] for i, row in enumerate(rows)]


def unpadded(values: Tensor, mask: Tensor) -> Tensor:
    """[batch, positions, width], flattened or not -> [tokens, width] without padding.

    The mask is [batch, positions], true where a token stands.
    """
    return values.reshape(*mask.shape, values.shape[-1])[mask.to(torch.bool)]
