"""How much a data set asks of a backbone: counted with its tokenizer, or estimated without."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.demand import Load
from mmedit_bench.backbones.shape import Shape
from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadData

LONGEST = 32
"""Requests with the most characters, of which the one with the most tokens is taken."""
SAMPLED = 100
"""Training cases whose locality questions are counted."""
CHARACTERS = 3
"""Characters of a token where there is no tokenizer: an assumption, and a low one for English."""
WORDS_OF_A_TEMPLATE = 8
"""Tokens that a template adds, where there is no tokenizer: likewise."""


def counted(backbone: Backbone, train: Sequence[EditCase], asked: Sequence[EditCase]) -> Load:
    """With the backbone's own tokens. Raises `BadData` if nothing is asked."""
    chosen = _longest(asked)
    queries, targets = [c.request.query for c in chosen], [c.request.target for c in chosen]
    lengths = backbone.input_lengths(queries, targets)
    case = chosen[max(range(len(chosen)), key=lengths.__getitem__)]
    request = case.request
    answer = len(backbone.answer_ids(request.target))
    image = request.query.image
    picture = backbone.family.picture_tokens(image) if image else 0
    return Load(
        request=request,
        question=max(lengths) - answer - picture,
        answer=answer,
        picture=picture,
        sentence=len(backbone.text_ids(f"{request.query.prompt} {request.target}")),
        cases=len(train),
        kept=_kept(train, lambda text: len(backbone.answer_ids(text))),
        batch=backbone.batch_size,
    )


def estimated(shape: Shape, train: Sequence[EditCase], asked: Sequence[EditCase], batch: int) -> Load:
    """Without a tokenizer: three characters a token. Raises `BadData` if nothing is asked."""
    request = _longest(asked)[0].request
    return Load(
        request=request,
        question=_tokens(request.query.prompt) + WORDS_OF_A_TEMPLATE,
        answer=_tokens(request.target) + 1,
        picture=(shape.picture_tokens or 0) if request.query.image else 0,
        sentence=_tokens(f"{request.query.prompt} {request.target}"),
        cases=len(train),
        kept=_kept(train, lambda text: _tokens(text) + 1),
        batch=batch,
    )


def _tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS)


def _longest(asked: Sequence[EditCase]) -> list[EditCase]:
    if not asked:
        raise BadData("there is no case to take the longest of; name a split that has some")
    return sorted(asked, key=lambda case: -len(case.request.query.prompt + case.request.target))[:LONGEST]


def _kept(train: Sequence[EditCase], length: Callable[[str], int]) -> int:
    """Answer tokens of the locality questions of one case, the mean rounded up."""
    some = train[:SAMPLED]
    counts = [length(p.reference) for case in some for p in case.probes if p.kind.endswith("_locality")]
    return math.ceil(sum(counts) / len(some)) if some else 0
