"""From queries to padded decoder inputs.

Layout of one row: [visual tokens, if there is a picture] <s> [context and templated prompt]
[answer tokens </s>, in teacher forcing]. Rows are padded on the left, positions count from the
row's own first token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmedit_bench.cases import ImageRef, Query
from mmedit_bench.errors import BenchError


@dataclass(frozen=True)
class Row:
    """One input: `answer` is empty when the model is to write it; `length` counts visual tokens too."""

    image: ImageRef | None
    ids: tuple[int, ...]
    answer: tuple[int, ...]
    length: int


@dataclass(frozen=True)
class Batch:
    """Left-padded inputs: embeddings [b, n, width], attention mask [b, n], positions [b, n]."""

    embeddings: Tensor
    mask: Tensor
    positions: Tensor


class Encoder:
    """Token layout of one backbone."""

    def __init__(self, tokenizer: Any, template: str, picture_tokens: int, max_positions: int) -> None:
        if "{prompt}" not in template:
            raise BenchError(f"template {template!r} (backbone.json) has no {{prompt}} field")
        self.tokenizer = tokenizer
        self.template = template
        self.picture_tokens = picture_tokens
        self.max_positions = max_positions

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a text, without special tokens."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()

    def answer_ids(self, target: str) -> tuple[int, ...]:
        """Token ids of an answer, one space before it and </s> after it."""
        return (*self.text_ids(f" {target}"), self.tokenizer.eos_token_id)

    def row(self, query: Query, prefix: str = "", target: str | None = None) -> Row:
        """The input for a query, of any length."""
        # replace, not format: a prompt may hold braces
        text = prefix + self.template.replace("{prompt}", query.prompt)
        ids = (self.tokenizer.bos_token_id, *self.text_ids(text))
        answer = () if target is None else self.answer_ids(target)
        length = len(ids) + len(answer) + (self.picture_tokens if query.image else 0)
        return Row(query.image, ids, answer, length)

    def fitting_row(self, query: Query, prefix: str = "", target: str | None = None) -> Row:
        """Like `row`. Raises `BenchError` if the input has more tokens than the model has positions."""
        row = self.row(query, prefix, target)
        if row.length > self.max_positions:
            raise BenchError(
                f"the input for {query.prompt[:60]!r} has {row.length} tokens, picture, context and answer "
                f"included, but the backbone has {self.max_positions} positions; shorten prompt or context"
            )
        return row


def pack(rows: Sequence[Row], embed: nn.Module, pictures: Mapping[str, Tensor]) -> Batch:
    """Join rows into one batch; `pictures` holds visual tokens [tokens, width] by digest."""
    weight = embed.weight
    assert isinstance(weight, Tensor)
    longest = max(row.length for row in rows)
    padded, mask, positions = [], [], []
    for row in rows:
        ids = torch.tensor(row.ids + row.answer, device=weight.device)
        visual = pictures[row.image.digest] if row.image else weight.new_zeros(0, weight.shape[1])
        blank = longest - row.length
        padded.append(
            torch.cat([weight.new_zeros(blank, weight.shape[1]), visual.to(weight.dtype), embed(ids)])
        )
        mask.append([0] * blank + [1] * row.length)
        positions.append([0] * blank + list(range(row.length)))
    return Batch(
        torch.stack(padded),
        torch.tensor(mask, device=weight.device),
        torch.tensor(positions, device=weight.device),
    )


def by_length(rows: Sequence[Row], size: int) -> Iterator[list[int]]:
    """Indices of rows in batches of at most `size`, rows of like length together."""
    order = sorted(range(len(rows)), key=lambda i: rows[i].length)
    for start in range(0, len(order), size):
        yield order[start : start + size]
