"""What enters a decoder layer, computed once and given again in the place of the layers below.

An unedited layer gives the same states for the same batch, so where all edits act from a layer on,
those below need to run once per batch. A stand-in in their place leaves all else of the model's own
code to run as ever, and what comes out is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mmedit_bench.backbones.batch import Batch
from mmedit_bench.backbones.inputs import Row

Key = tuple[str | None, tuple[int, ...], tuple[int, ...], tuple[int, ...]]
Pair = tuple[Tensor, Tensor]
"""Keys and values of one layer, [b, heads, n, e] each."""


@dataclass(frozen=True)
class Below:
    """One batch, as it enters a layer: its states [b, n, width], and the keys and values below."""

    batch: Batch
    states: Tensor
    in_tuple: bool
    """Whether the model's layers give their states as the first of a tuple."""
    pairs: tuple[Pair, ...] = ()

    def tensors(self) -> Iterator[Tensor]:
        """All that is kept."""
        yield from self.batch.tensors()
        yield self.states
        for pair in self.pairs:
            yield from pair


def key_of(rows: Sequence[Row]) -> tuple[Key, ...]:
    """All that decides what an unedited model makes of a batch of rows."""
    return tuple((row.image.digest if row.image else None, row.ids, row.answer, row.places) for row in rows)


@dataclass
class Heard:
    """What a layer gave, if it has run."""

    states: Tensor | None = None
    in_tuple: bool = False


@contextmanager
def hearing(layer: nn.Module) -> Iterator[Heard]:
    """Remember what a layer gives while the block runs."""
    heard = Heard()

    def remember(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        heard.in_tuple = isinstance(output, tuple)
        heard.states = output[0] if heard.in_tuple else output

    handle = layer.register_forward_hook(remember)
    try:
        yield heard
    finally:
        handle.remove()


class _Passing(nn.Module):
    """A layer that does nothing."""

    def __init__(self, in_tuple: bool) -> None:
        super().__init__()
        self._in_tuple = in_tuple

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        return (hidden_states,) if self._in_tuple else hidden_states


class _Giving(_Passing):
    """A layer that gives what was remembered."""

    def __init__(self, below: Below) -> None:
        super().__init__(below.in_tuple)
        self._states = below.states

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        return super().forward(self._states)


@contextmanager
def standing_in(layers: nn.ModuleList, depth: int, below: Below) -> Iterator[None]:
    """Let `below` stand for the first `depth` layers while the block runs.

    Each has a stand-in of its own: a model may look up by a layer's number what it hands it.
    """
    own = [layers[i] for i in range(depth)]
    passing = _Passing(below.in_tuple)
    stand_ins: list[nn.Module] = [*[passing] * (depth - 1), _Giving(below)]
    try:
        for i, module in enumerate(stand_ins):
            layers._modules[str(i)] = module
        yield
    finally:
        for i, module in enumerate(own):
            layers._modules[str(i)] = module
