"""Greedy decoding with a key-value cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmedit_bench.backbones.families import Family
from mmedit_bench.backbones.inputs import Batch


def greedy(family: Family, batch: Batch, room: Sequence[int]) -> list[list[int]]:
    """Most likely next tokens of each row, up to and without one that ends an answer.

    `room` is the number of tokens each row may get. It is the row's own limit, so that a row's
    answer does not depend on the rows beside it.
    """
    cache = family.cache()
    inputs, mask = batch.embeddings, batch.mask
    positions, kinds = batch.positions, batch.kinds
    written: list[list[int]] = [[] for _ in room]
    going = [limit > 0 for limit in room]
    while any(going):
        logits = family.run(inputs, mask, positions, kinds, keep=1, cache=cache)[:, -1]
        chosen = logits.argmax(-1)
        for i, token in enumerate(chosen.tolist()):
            if going[i] and token not in family.ends:
                written[i].append(token)
            going[i] = going[i] and token not in family.ends and len(written[i]) < room[i]
        # rows that are done ride along; what they compute is not read, but must stay in range
        running = torch.tensor(going, device=mask.device)
        inputs = family.embedding(chosen)[:, None]
        mask = torch.cat([mask, mask.new_ones(len(room), 1)], dim=1)
        positions = positions[:, -1:] + running[:, None].long()
        kinds = _NO_KINDS
    return written


_NO_KINDS: Mapping[str, Tensor] = {}
"""After the question there is text only."""
