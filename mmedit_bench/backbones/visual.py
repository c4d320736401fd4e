"""A picture as a text model reads it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Visual:
    """`tokens` [tokens, width] stand in the input.

    `added[k]`, of the same shape, is added to their states after decoder layer k.
    """

    tokens: Tensor
    added: tuple[Tensor, ...] = ()
