"""BLIP-2 with a bridge of two layers: each visual token sees its own query and the mean of all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import Blip2ForConditionalGeneration


class Bridge(nn.Module):
    """[b, queries, width] -> [b, queries, text width]: W2 gelu(W1 [x_i; mean_j x_j] + b1) + b2.

    A Q-Former that learned to name things by the mean of its queries has the name in the mean and the
    place of a token in the query.
    """

    def __init__(self, width: int, hidden: int, text_width: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * width, hidden)
        self.second = nn.Linear(hidden, text_width)

    def forward(self, queries: Tensor) -> Tensor:
        """The visual tokens."""
        mean = queries.mean(1, keepdim=True).expand_as(queries)
        tokens: Tensor = self.second(gelu(self.first(torch.cat([queries, mean], dim=-1))))
        return tokens


class Bridged(Blip2ForConditionalGeneration):  # type: ignore[misc]  # transformers is untyped
    """The model of a configuration with a field `bridge_hidden`, the width between the two layers."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.language_projection = Bridge(
            config.qformer_config.hidden_size, config.bridge_hidden, config.text_config.hidden_size
        )
        self.post_init()
