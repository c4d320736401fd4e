"""What a memory with a scope classifier and a counterfactual model takes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch

from methods.serac.counterfactual import LONGEST, ROOM
from methods.serac.pretrained import LONGEST as SHOWN
from methods.serac.pretrained import MODEL, OWN, SCOPE, Blueprint, config_of, own_tensors
from methods.serac.reader import Entry, Memory, Networks, Sizes
from mmedit_bench.backbones.demand import SINGLE, Demand, Fit, Load, numbers_of
from mmedit_bench.editors import Edit, Route, Shared

PUBLISHED: dict[str, dict[str, Any]] = {
    "distilbert/distilbert-base-cased": {"model_type": "distilbert", "vocab_size": 28996},
    "facebook/opt-125m": {"model_type": "opt"},
}
"""Configurations of checkpoints that need not be there to be counted, where they differ from the usual."""
KEPT = 18
"""States as wide as the network that one layer keeps of a token for the way back: six of the attention,
two of its norms, eight of the inner layer (four times as wide, before and after its activation), two sums.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the two networks."""

    fit: Fit
    held: int
    """Bytes of it."""
    asking: int = 0
    """Bytes that it takes while a batch is asked."""
    code: int = 0
    """Width of its code of an edit."""


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """An entry with its code, and two trained networks that all edits share."""
    s = editor.settings(shape)
    sizes = Sizes(shape.width, s.scope_hidden, s.scope_code, s.image_key, s.size, s.layers, s.heads)
    scope = own_scope(s, sizes) if s.scope_encoder in OWN else encoder(s, shape, load)
    model = own_model(s, sizes, shape, load) if s.counterfactual in OWN else writer(s, load)
    memory = Memory(Networks(Shared({}), sizes), (entry_of(load, scope.code),))
    return Demand(
        edit=Edit((Route(memory, load.request.id),)),
        learned=(scope.fit, model.fit), held=scope.held + model.held, asking=model.asking,
    )  # fmt: skip


def own_scope(s: Any, sizes: Sizes) -> Part:
    """The classifier that is trained from nothing."""
    numbers, held = numbers_of(sizes.classifier)
    return Part(
        fit=Fit(numbers=numbers, moments=2, steps=s.scope_steps),
        held=held, code=s.scope_code * (2 if s.image_key else 1),
    )  # fmt: skip


def own_model(s: Any, sizes: Sizes, shape: Any, load: Load) -> Part:
    """The counterfactual model that is trained from nothing."""
    numbers, held = numbers_of(sizes.model)
    fit = Fit(
        numbers=numbers,
        moments=2,
        steps=s.steps,
        beside=table(shape) + written(shape, load, s.batch),
        products=s.batch * (tokens(load) * numbers + load.answer * shape.vocabulary * shape.width),
    )
    return Part(fit=fit, held=held, asking=table(shape) + SINGLE * 4 * load.batch * shape.vocabulary)


def encoder(s: Any, shape: Any, load: Load) -> Part:
    """A published scope encoder, with the key of pictures: three pairs of questions of each case."""
    network = published(s.scope_encoder, SCOPE)
    picture = (shape.width + 2) * s.scope_code if s.image_key else 0
    read = 6 * s.scope_batch * min(SHOWN, load.sentence)
    fit = Fit(
        numbers=network.numbers + picture,
        moments=2,
        steps=s.scope_steps,
        beside=SINGLE * KEPT * read * network.layers * network.width,
        products=read * (network.numbers - network.vocabulary * network.width),
    )
    code = network.width + (s.scope_code if s.image_key else 0)
    return Part(fit=fit, held=network.nbytes + SINGLE * picture, code=code)


def writer(s: Any, load: Load) -> Part:
    """A published counterfactual model; a step holds its scores of the vocabulary three times."""
    network = published(s.counterfactual, MODEL)
    read = s.batch * min(SHOWN, 2 * load.sentence + load.answer + 8)
    fit = Fit(
        numbers=network.numbers,
        moments=2,
        steps=s.steps,
        beside=SINGLE * read * (KEPT * network.layers * network.width + 3 * network.vocabulary),
        products=read * network.numbers,
    )
    cached = 2 * network.layers * network.width * min(SHOWN, 2 * load.sentence + 8 + ROOM)
    return Part(fit=fit, held=network.nbytes, asking=SINGLE * load.batch * (cached + 2 * network.vocabulary))


@dataclass(frozen=True, slots=True)
class Measured:
    """A published network: numbers, bytes, layers of both halves, width and vocabulary."""

    numbers: int
    nbytes: int
    layers: int
    width: int
    vocabulary: int


@functools.cache
def published(source: str, option: str) -> Measured:
    """The network of a checkpoint, counted on the meta device. Raises `BenchError` if it is not known."""
    plain = PUBLISHED.get(source) or config_of(source, option)
    with torch.device("meta"):
        network = Blueprint(option, plain, "", {}).fresh()
    config = network.config
    return Measured(
        sum(own.numel() for own in network.parameters()),
        sum(own.nbytes for own in own_tensors(network).values()),
        config.num_hidden_layers * (2 if option == MODEL and config.is_encoder_decoder else 1),
        config.hidden_size,
        config.vocab_size,
    )


def entry_of(load: Load, width: int) -> Entry:
    """A remembered edit whose code is so wide."""
    request = load.request
    return Entry(request.id, request.query.prompt, request.target, torch.empty(width, device="meta"))


def table(shape: Any) -> int:
    """Bytes of the copied embedding table, and of another in single precision where it is narrower."""
    numbers = shape.vocabulary * shape.width
    narrow = shape.dtype.itemsize < SINGLE
    return int(numbers * (shape.dtype.itemsize + (SINGLE if narrow else 0)))


def written(shape: Any, load: Load, rows: int) -> int:
    """Bytes of the mixtures over the vocabulary that one step holds, forward and backward.

    Eight for each token of an answer: the words' scores and shares, the copied ones, both weighed, their sum,
    its bound and its logarithm.
    """
    return int(SINGLE * 8 * rows * load.answer * shape.vocabulary)


def tokens(load: Load) -> int:
    """Tokens that the counterfactual model reads of an edit and a question, with the answer."""
    return min(LONGEST, 2 * load.sentence + load.answer + 8)
