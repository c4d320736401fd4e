"""A picture as a text model reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Visual:
    """`tokens` [tokens, width] stand in the input.

    `added[k]`, of the same shape, is added to their states after decoder layer k.
    """

    tokens: Tensor
    added: tuple[Tensor, ...] = ()

    def tensors(self) -> Iterator[Tensor]:
        """All that it holds."""
        yield self.tokens
        yield from self.added
