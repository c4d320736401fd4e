"""What a memory with a scope classifier and a counterfactual model takes."""

from __future__ import annotations

from typing import Any

import torch

from methods.serac.counterfactual import LONGEST
from methods.serac.reader import Entry, Memory, Networks, Sizes
from mmedit_bench.backbones.demand import SINGLE, Demand, Fit, Load, numbers_of
from mmedit_bench.editors import Edit, Route, Shared


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """An entry with its code, and two trained networks that all edits share."""
    s = editor.settings(shape)
    sizes = Sizes(shape.width, s.scope_hidden, s.scope_code, s.image_key, s.size, s.layers, s.heads)
    scope, model = numbers_of(lambda: sizes.fresh()[0]), numbers_of(lambda: sizes.fresh()[1])
    entry = entry_of(load, s.scope_code * (2 if s.image_key else 1))
    learned = (
        Fit(numbers=scope[0], moments=2, steps=s.scope_steps),
        Fit(
            numbers=model[0],
            moments=2,
            steps=s.steps,
            beside=table(shape) + written(shape, load, s.batch),
            products=tokens(load) * s.batch * (model[0] + shape.vocabulary * shape.width),
        ),
    )
    return Demand(
        edit=Edit((Route(Memory(Networks(Shared({}), sizes), (entry,)), load.request.id),)),
        learned=learned, held=scope[1] + model[1],
        asking=table(shape) + SINGLE * 4 * load.batch * shape.vocabulary,
    )  # fmt: skip


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

    Eight for each token: the words' scores and shares, the copied ones, both weighed, their sum,
    its bound and its logarithm.
    """
    return int(SINGLE * 8 * rows * tokens(load) * shape.vocabulary)


def tokens(load: Load) -> int:
    """Tokens that the counterfactual model reads of an edit and a question, with the answer."""
    return min(LONGEST, 2 * load.sentence + load.answer + 8)
