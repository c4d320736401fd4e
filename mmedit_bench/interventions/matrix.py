"""Changes of a matrix that is a parameter by itself, in no linear layer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmedit_bench.errors import BenchError
from mmedit_bench.interventions.base import Intervention, Layout, register_intervention, submodule


@dataclass(frozen=True, eq=False)
class MatrixDelta(Intervention):
    """M' = M + delta for the parameter M at path `parameter`; delta is [in, out], as M is.

    The module that holds M returns x M, where x is what the module at path `reads`, inside of it,
    gives: the projection of Gemma 3. Deltas of one parameter add up.
    """

    stateless: ClassVar[bool] = True
    parameter: str
    reads: str
    delta: Tensor

    def __post_init__(self) -> None:
        if self.delta.ndim != 2:
            raise BenchError(
                f"MatrixDelta on {self.parameter}: shape {tuple(self.delta.shape)} is not [in, out]"
            )

    def tensors(self) -> Mapping[str, Tensor]:
        return {"delta": self.delta}

    def plain(self) -> Mapping[str, Any]:
        return {"parameter": self.parameter, "reads": self.reads}

    @property
    def _holder(self) -> str:
        return self.parameter.rpartition(".")[0]

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return (self._holder,)

    @property
    def place(self) -> Hashable | None:
        # what derives from a delta may act otherwise
        return ("matrix", self.parameter, self.reads) if type(self) is MatrixDelta else None

    def merged(self, other: Intervention) -> Intervention | None:
        if type(other) is not MatrixDelta:
            return None
        a, b = self.delta, other.delta
        alike = a.shape == b.shape and a.dtype == b.dtype
        return MatrixDelta(self.parameter, self.reads, a + b) if alike else None

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        holder, reader = submodule(model, self._holder), submodule(model, self.reads)
        matrix = getattr(holder, self.parameter.rpartition(".")[2], None)
        if not isinstance(matrix, nn.Parameter):
            raise BenchError(f"{self.parameter} is no parameter; matrix deltas act on parameters only")
        if matrix.shape != self.delta.shape:
            shapes = f"{tuple(matrix.shape)}, the delta has {tuple(self.delta.shape)}"
            raise BenchError(f"{self.parameter} has shape {shapes}")
        read: list[Tensor] = []

        def remember(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            read[:] = [output]

        def add(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            x = read.pop()
            return output + (x @ self.delta.to(x)).to(output)

        yield reader.register_forward_hook(remember)
        yield holder.register_forward_hook(add)


register_intervention("matrix_delta", MatrixDelta)
