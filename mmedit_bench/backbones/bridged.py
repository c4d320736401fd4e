"""BLIP-2 with a bridge that says words: each visual token is a mixture of word embeddings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import Blip2ForConditionalGeneration


class Bridge(nn.Module):
    """[b, queries, width] -> [b, queries, text width]: T softmax(W2 gelu(W1 [x_i; mean_j x_j] + p_i) + b).

    The columns of T are embeddings of words. A regression onto them needs as many free numbers as they
    have; to choose among them needs few, and a choice that is sure is the word itself. A Q-Former that
    learned to name things by the mean of its queries has the name in the mean, and its queries may be
    alike: p_i tells a token its place.
    """

    def __init__(self, width: int, hidden: int, words: int, text_width: int, queries: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * width, hidden, bias=False)
        self.places = nn.Parameter(torch.randn(queries, hidden))
        self.second = nn.Linear(hidden, words)
        self.table = nn.Linear(words, text_width, bias=False)

    def scores(self, queries: Tensor) -> Tensor:
        """Logits [b, queries, words]."""
        mean = queries.mean(1, keepdim=True).expand_as(queries)
        inner = self.first(torch.cat([queries, mean], dim=-1)) + self.places
        logits: Tensor = self.second(gelu(inner))
        return logits

    def forward(self, queries: Tensor) -> Tensor:
        """The visual tokens."""
        tokens: Tensor = self.table(self.scores(queries).softmax(-1))
        return tokens


class Bridged(Blip2ForConditionalGeneration):  # type: ignore[misc]  # transformers is untyped
    """The model of a configuration with fields `bridge_hidden` and `bridge_words`: the bridge's sizes."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.language_projection = Bridge(
            config.qformer_config.hidden_size,
            config.bridge_hidden,
            config.bridge_words,
            config.text_config.hidden_size,
            config.num_query_tokens,
        )
        self.post_init()
