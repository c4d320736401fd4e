"""What one forward pass reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Left-padded inputs: embeddings [b, n, width], attention mask [b, all], positions [axes, b, n].

    The mask covers what a cache holds too. Positions are 0 in the padding; where the model counts
    along several axes, one axis stands for as many alike. `kinds` holds what else the family's
    models read, by name: [b, n], 1 at a picture's tokens. `added` is what the visual tokens of all
    rows get added to their states, [visual tokens, width], after the first decoder layers one by one.
    """

    embeddings: Tensor
    mask: Tensor
    positions: Tensor
    kinds: Mapping[str, Tensor] = field(default_factory=dict)
    added: tuple[Tensor, ...] = ()

    @property
    def last(self) -> Tensor:
        """The highest position of each row, [b]: what is read on counts from it."""
        return self.positions.amax((0, 2))

    def tensors(self) -> Iterator[Tensor]:
        """All that it holds."""
        yield from (self.embeddings, self.mask, self.positions)
        yield from self.kinds.values()
        yield from self.added
