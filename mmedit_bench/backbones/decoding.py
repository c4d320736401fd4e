"""Greedy decoding with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from mmedit_bench.backbones.inputs import Batch


def greedy(language_model: Any, batch: Batch, room: Sequence[int], eos: int) -> list[list[int]]:
    """Most likely next tokens of each row, up to and without `eos`.

    `room` is the number of tokens each row may get. It is the row's own limit, so that a row's
    answer does not depend on the rows beside it.
    """
    embed = language_model.get_input_embeddings()
    cache = DynamicCache(config=language_model.config)
    inputs, mask = batch.embeddings, batch.mask
    positions = batch.positions
    written: list[list[int]] = [[] for _ in room]
    going = [limit > 0 for limit in room]
    while any(going):
        logits: Tensor = language_model(
            inputs_embeds=inputs,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen = logits.argmax(-1)
        for i, token in enumerate(chosen.tolist()):
            if going[i] and token != eos:
                written[i].append(token)
            going[i] = going[i] and token != eos and len(written[i]) < room[i]
        # rows that are done ride along; what they compute is not read, but must stay in range
        running = torch.tensor(going, device=mask.device)
        inputs = embed(chosen)[:, None]
        mask = torch.cat([mask, mask.new_ones(len(room), 1)], dim=1)
        positions = positions[:, -1:] + running[:, None].long()
    return written
