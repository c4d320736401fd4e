"""From queries to padded decoder inputs.

Layout of one row: [the question's tokens, with the visual tokens of its picture where the family
puts them] [answer tokens and the closing token, in teacher forcing]. Rows are padded on the left,
positions count from the row's own first token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from mmedit_bench.backbones.batch import Batch
from mmedit_bench.backbones.families import Family
from mmedit_bench.backbones.visual import Visual
from mmedit_bench.cases import ImageRef, Query
from mmedit_bench.errors import BenchError


@dataclass(frozen=True)
class Row:
    """One input: `answer` is empty when the model is to write it; `length` counts visual tokens too.

    The picture's tokens stand in equal parts, one before `ids[place]` for each of the `places`.
    """

    image: ImageRef | None
    ids: tuple[int, ...]
    answer: tuple[int, ...]
    length: int
    places: tuple[int, ...] = ()

    @property
    def question(self) -> Row:
        """The row without its answer."""
        return Row(self.image, self.ids, (), self.length - len(self.answer), self.places)


class Encoder:
    """Token layout of one backbone."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.max_positions = family.max_positions

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a text, without special tokens."""
        return self.family.text_ids(text)

    def answer_ids(self, target: str) -> tuple[int, ...]:
        """Token ids of an answer, what leads to it before it and the closing token after it."""
        return (*self.family.following_ids(f"{self.family.lead}{target}"), self.family.closing)

    def row(self, query: Query, prefix: str = "", target: str | None = None) -> Row:
        """The input for a query, of any length."""
        ids, places = self.family.layout(self.family.worded(prefix, query.prompt), query.image)
        answer = () if target is None else self.answer_ids(target)
        length = len(ids) + len(answer) + (self.family.picture_tokens(query.image) if query.image else 0)
        return Row(query.image, ids, answer, length, places)

    def fitting_row(self, query: Query, prefix: str = "", target: str | None = None) -> Row:
        """Like `row`. Raises `BenchError` if the input has more tokens than the model has positions."""
        row = self.row(query, prefix, target)
        if row.length > self.max_positions:
            raise BenchError(
                f"the input for {query.prompt[:60]!r} has {row.length} tokens, picture, context and answer "
                f"included, but the backbone has {self.max_positions} positions; shorten prompt or context"
            )
        return row

    def text_row(self, ids: Sequence[int], predicted: int) -> Row:
        """A row of text alone, of which the last `predicted` tokens are asked what comes next.

        Raises `BenchError` if there is nothing to predict, nothing to predict from, or no room.
        """
        if not 0 < predicted <= len(ids):
            raise BenchError("a continuation and the text before it need a token each; give a longer text")
        if len(ids) > self.max_positions:
            raise BenchError(
                f"a text of {len(ids)} tokens is too long for the backbone's {self.max_positions} positions; "
                "shorten it"
            )
        return Row(None, tuple(ids), (), len(ids))


def pack(rows: Sequence[Row], family: Family, pictures: Mapping[str, Visual]) -> Batch:
    """Join rows into one batch; `pictures` holds what is seen by digest."""
    weight = family.embedding.weight
    longest = max(row.length for row in rows)
    padded, mask, positions, seen = [], [], [], []
    for row in rows:
        ids = torch.tensor(row.ids + row.answer, device=weight.device)
        visual = pictures[row.image.digest].tokens if row.image else weight.new_zeros(0, weight.shape[1])
        blank = longest - row.length
        parts, own = _woven(family.embedding(ids), visual.to(weight), row.places)
        padded.append(torch.cat([weight.new_zeros(blank, weight.shape[1]), *parts]))
        mask.append([0] * blank + [1] * row.length)
        positions.append(pad(_positions(row, family), (blank, 0)))
        seen.append([0] * blank + own)
    # from row to row, as a mask of visual tokens counts them
    deeper = zip(*(pictures[row.image.digest].added for row in rows if row.image), strict=True)
    return Batch(
        torch.stack(padded),
        torch.tensor(mask, device=weight.device),
        torch.stack(positions, dim=1).to(weight.device),
        {name: torch.tensor(seen, device=weight.device) for name in family.kinds},
        tuple(torch.cat(parts).to(weight) for parts in deeper),
    )


def _woven(words: Tensor, visual: Tensor, places: Sequence[int]) -> tuple[list[Tensor], list[int]]:
    """Words with equal parts of a picture before some of them, and 1 for each token of the picture."""
    parts, seen, start = list[Tensor](), list[int](), 0
    for place, part in zip(places, visual.chunk(len(places)) if places else (), strict=True):
        parts += [words[start:place], part]
        seen += [0] * (place - start) + [1] * len(part)
        start = place
    return [*parts, words[start:]], [*seen, *[0] * (len(words) - start)]


def _positions(row: Row, family: Family) -> Tensor:
    """Positions of a row's own tokens, [axes, length]."""
    inside = family.picture_positions(row.image) if row.image else None
    if inside is None:
        return torch.arange(row.length).expand(family.axes, -1)
    (place,) = row.places
    after = torch.arange(row.length - place - inside.shape[1]) + int(inside.max()) + 1
    before, after = (x.expand(family.axes, -1) for x in (torch.arange(place), place + after))
    return torch.cat([before, place + inside, after], dim=1)


def mask_of(rows: Sequence[Row]) -> Tensor:
    """Which positions of the packed rows are no padding: [b, n]."""
    longest = max(row.length for row in rows)
    return torch.tensor([[0] * (longest - row.length) + [1] * row.length for row in rows])


def by_length(rows: Sequence[Row], size: int) -> Iterator[list[int]]:
    """Indices of rows in batches of at most `size`, rows of like length together."""
    order = sorted(range(len(rows)), key=lambda i: rows[i].length)
    for start in range(0, len(order), size):
        yield order[start : start + size]
