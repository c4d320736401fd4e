"""A batch of questions that a model has read, ready to be answered or to be shown an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mmedit_bench.backbones.families import Family
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Asked, asking


def sound(logits: Tensor) -> Tensor:
    """The logits. Raises `BenchError` if one is no number: whatever is most likely then says nothing."""
    if logits.isnan().any():
        raise BenchError("the model computes numbers that are not finite")
    return logits


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
    asked: Asked
    """The batch, for what acts on the model by the question."""
    _latest: Tensor = field(init=False)
    """How many of the latest columns read are a row's own."""

    def read(self, ids: Tensor, counts: Tensor) -> Tensor:
        """Read on: ids [b, m], of which the first `counts` [b] are a row's own; logits [b, m, vocabulary].

        What stands behind a row's own tokens is hidden from all that is read later.
        """
        steps = torch.arange(ids.shape[1], device=ids.device)
        own = (steps < counts[:, None]).to(self.mask)
        mask = torch.cat([self.mask, own], dim=1)
        # those beyond a row's own are not read, but must stay in range
        places = self.positions[:, None] + torch.minimum(steps + 1, counts[:, None])
        with asking(self.asked):
            logits = self.family.run(
                self.family.embedding(ids), mask, places, _NO_KINDS, keep=ids.shape[1], cache=self.cache
            )
        self.mask, self.positions, self._latest = mask, self.positions + counts, counts
        return logits

    def only(self, rows: Sequence[int]) -> None:
        """Go on with these rows."""
        self.back_to(rows, [0] * len(rows), 0)

    def back_to(self, rows: Sequence[int], counts: Sequence[int], of: int) -> None:
        """Go on with these rows as if of the last `of` tokens only the first `counts` had been read.

        Rows end together again: a layer with a sliding window measures it in columns, so what is
        not read may not stand between what is.
        """
        device = self.mask.device
        chosen, kept = (torch.tensor(list(x), device=device) for x in (rows, counts))
        back = of - kept
        least = int(back.min())
        columns = torch.arange(self.mask.shape[1] - least, device=device) + least - back[:, None]
        inside = columns >= 0
        columns = columns.clamp_min(0)
        self.mask = self.mask[chosen].gather(1, columns) * inside
        places = columns[:, None, :, None]
        cache = self.family.cache()
        for number, layer in enumerate(self.cache.layers):
            own, at = chosen.to(layer.keys.device), places.to(layer.keys.device)
            pair = (layer.keys[own], layer.values[own])
            if of:
                pair = tuple(x.gather(2, at.expand(-1, x.shape[1], -1, x.shape[3])) for x in pair)
            cache.update(*pair, number)
        self.cache = cache
        read = torch.minimum(self._latest[chosen], torch.full_like(kept, of)) if of else kept
        self.positions = self.positions[chosen] - (read - kept)


_NO_KINDS: Mapping[str, Tensor] = {}
"""After the question there is text only."""
