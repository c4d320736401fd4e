"""Extra key-value pairs of a feed-forward layer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle

from mmedit_bench.errors import BenchError
from mmedit_bench.interventions.base import Intervention, Layout, register_intervention, submodule


@dataclass(frozen=True, eq=False)
class ExtraNeurons(Intervention):
    """n neurons appended to the feed-forward layer of decoder layer `layer` (d: model width).

    Plain family:  FFN'(q) = FFN(q) + act(q keys^T + bias) values
    Gated family:  FFN'(q) = FFN(q) + (act(q keys^T + bias) * (q up_keys^T)) values

    keys, values, up_keys are [n, d], bias is [n]; q is what the layer's first linear reads and act
    its own activation. This is a feed-forward layer with a wider inner matrix (Huang et al., ICLR
    2023, for the plain family); up_keys belongs to the gated family and to it only. The neurons of
    several edits are one wider layer.
    """

    stateless: ClassVar[bool] = True
    layer: int
    keys: Tensor
    bias: Tensor
    values: Tensor
    up_keys: Tensor | None = None

    def __post_init__(self) -> None:
        shape = self.keys.shape
        up = shape if self.up_keys is None else self.up_keys.shape
        if len(shape) != 2 or self.values.shape != shape or up != shape or self.bias.shape != shape[:1]:
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in self.tensors().items())
            raise BenchError(f"ExtraNeurons of layer {self.layer}: not [n, d] with a bias of [n]: {shapes}")

    def tensors(self) -> Mapping[str, Tensor]:
        held = {"keys": self.keys, "bias": self.bias, "values": self.values}
        return held if self.up_keys is None else held | {"up_keys": self.up_keys}

    def plain(self) -> Mapping[str, Any]:
        return {"layer": self.layer}

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return layout.ffn(self.layer)

    @property
    def place(self) -> Hashable | None:
        # what derives from neurons may act otherwise
        return ("neurons", self.layer) if type(self) is ExtraNeurons else None

    def merged(self, other: Intervention) -> Intervention | None:
        if type(other) is not ExtraNeurons:
            return None
        mine, theirs = self.tensors(), other.tensors()
        alike = mine.keys() == theirs.keys() and all(
            mine[name].shape[1:] == theirs[name].shape[1:] and mine[name].dtype == theirs[name].dtype
            for name in mine
        )
        if not alike:
            return None
        return ExtraNeurons(self.layer, **{name: torch.cat([mine[name], theirs[name]]) for name in mine})

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        if layout.gated != (self.up_keys is not None):
            need = "are gated: up_keys is needed" if layout.gated else "are not gated: up_keys has no meaning"
            raise BenchError(f"ExtraNeurons of layer {self.layer}: the backbone's feed-forward layers {need}")
        paths = layout.ffn(self.layer)
        reader, writer = submodule(model, paths[0]), submodule(model, paths[-1])
        activation = submodule(model, layout.activation(self.layer))
        width = getattr(reader, "in_features", None)
        if width != self.keys.shape[1]:
            own = self.keys.shape[1]
            raise BenchError(f"ExtraNeurons of layer {self.layer}: keys have width {own}, not {width}")
        queries: list[Tensor] = []  # what the reader saw, until the writer has used it

        def remember(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            queries[:] = [args[0]]

        def add(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            q = queries.pop()
            inner: Tensor = activation(linear(q, self.keys.to(q), self.bias.to(q)))
            if self.up_keys is not None:
                inner = inner * linear(q, self.up_keys.to(q))
            return output + inner @ self.values.to(q)

        yield reader.register_forward_pre_hook(remember)
        yield writer.register_forward_hook(add)


register_intervention("extra_neurons", ExtraNeurons)
