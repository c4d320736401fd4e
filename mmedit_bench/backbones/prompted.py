"""A batch of questions that a model has read, ready to be answered or to be shown an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmedit_bench.backbones.families import Family


@dataclass
class Prompted:
    """What is left of reading a batch of b questions. Going on changes it: a row is one token longer.

    `logits` [b, vocabulary] are of what follows the last token read, `mask` [b, n] is 0 at what is
    no part of a row, `positions` [b] is the last token's, `cache` holds the keys and values.
    """

    family: Family
    logits: Tensor
    cache: Any
    mask: Tensor
    positions: Tensor

    def read(self, ids: Tensor, counts: Tensor) -> Tensor:
        """Read on: ids [b, m], of which the first `counts` [b] are a row's own; logits [b, m, vocabulary].

        What stands behind a row's own tokens is hidden from all that is read later.
        """
        steps = torch.arange(ids.shape[1], device=ids.device)
        own = (steps < counts[:, None]).to(self.mask)
        mask = torch.cat([self.mask, own], dim=1)
        # those beyond a row's own are not read, but must stay in range
        places = self.positions[:, None] + torch.minimum(steps + 1, counts[:, None])
        logits = self.family.run(
            self.family.embedding(ids), mask, places, _NO_KINDS, keep=ids.shape[1], cache=self.cache
        )
        self.mask, self.positions = mask, self.positions + counts
        return logits

    def back_to(self, counts: Tensor, of: int) -> None:
        """Of the last `of` tokens read, keep the first `counts` [b] of each row; the rest is hidden."""
        if not of:
            return
        kept = (torch.arange(of, device=counts.device) < counts[:, None]).to(self.mask)
        dropped = self.mask[:, -of:].sum(-1) - kept.sum(-1)
        self.mask = torch.cat([self.mask[:, :-of], kept], dim=1)
        self.positions = self.positions - dropped

    def forget(self, count: int) -> None:
        """Hide the last `count` tokens read from all that follows."""
        self.back_to(self.positions.new_zeros(len(self.positions)), count)

    def only(self, rows: Sequence[int]) -> None:
        """Go on with these rows."""
        chosen = torch.tensor(list(rows), device=self.mask.device)
        self.cache.batch_select_indices(chosen)
        self.mask, self.positions = self.mask[chosen], self.positions[chosen]


_NO_KINDS: Mapping[str, Tensor] = {}
"""After the question there is text only."""
