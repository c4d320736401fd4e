"""What an editor takes beside a backbone: what it trains, what it holds, and how often the model is run.

An editor's demand is told by a function of its own, registered under its name in the entry-point
group `mmedit_bench.demands`. It is no part of the editor's code: what an editor says of its memory
changes no answer, and so names no run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from mmedit_bench.backbones.shape import META, Shape
from mmedit_bench.cases import EditRequest
from mmedit_bench.interventions import Edit
from mmedit_bench.plugins.registry import Registry

DEMANDS = Registry("mmedit_bench.demands", "demand")
"""Functions `(editor, shape, load) -> Demand`, by the name of the editor."""

SINGLE = 4
"""Bytes of a number that an editor trains: float32 whatever the backbone's type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The longest that a data set asks, in tokens of the backbone, and how much there is to learn from."""

    request: EditRequest
    """The edit with the most tokens."""
    question: int
    """Tokens of its question, in the backbone's template, without its picture."""
    answer: int
    """Tokens of its target, with what closes it."""
    picture: int
    """Visual tokens of its picture; 0 without one."""
    sentence: int
    """Tokens of question and target as plain text, as a demonstration has them."""
    cases: int
    """Cases of the training split."""
    kept: int
    """Answer tokens of the locality questions of one training case."""
    batch: int = 16
    """Questions at once."""

    @property
    def tokens(self) -> int:
        """Tokens of the request, its picture and its target."""
        return self.question + self.picture + self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A batch of questions that the model reads with their targets."""

    rows: int = 1
    layer: int | None = None
    """First decoder layer that a gradient goes back through; None: it is read without gradient."""
    sight: str = ""
    """Path of a part of the vision that the gradient goes back into; "": into none."""
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Numbers that are trained by gradient descent, in single precision."""

    numbers: int
    moments: int
    """What the optimiser holds of each: 2 for Adam and centred RMSprop, 0 for plain SGD."""
    steps: int
    """At most."""
    passes: tuple[Pass, ...] = ()
    """Of each step."""
    beside: int = 0
    """Bytes that a step holds beside numbers and passes, such as the graph of a network of its own."""
    products: int = 0
    """Products that a step computes beside its passes, on the way forward: those of such a network."""

    @property
    def nbytes(self) -> int:
        """Bytes of values, gradients and the optimiser's states, and of one number more for its step."""
        return self.numbers * SINGLE * (2 + self.moments + bool(self.moments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """All that an editor takes on one backbone for edits of one load, at most."""

    edit: Edit = field(default_factory=Edit)
    """An edit of the load's request, its tensors on the meta device."""
    fit: Fit | None = None
    """What is trained for each edit."""
    passes: tuple[Pass, ...] = ()
    """What each edit reads beside its steps."""
    making: int = 0
    """Bytes that making an edit holds where nothing is trained for it."""
    learned: tuple[Fit, ...] = ()
    """What is trained once, before the first edit, one after the other."""
    held: int = 0
    """Bytes that stay in memory from before the first edit on: a trained network, an index, kept states."""
    context: int = 0
    """Tokens that an edit puts before each question."""
    asking: int = 0
    """Bytes that an edit takes while a batch is asked, beside the model's own."""

    def modules(self, shape: Shape) -> tuple[str, ...]:
        """Paths of the modules whose computation an edit changes, each once."""
        items = (path for item in self.edit.interventions for path in item.modules(shape.anatomy))
        return tuple(dict.fromkeys(items))

    def backward(self, layers: int) -> tuple[int, int]:
        """Backward passes of an edit, at most, and through how many of so many decoder layers they go."""
        steps = self.fit.steps if self.fit else 0
        within = [(steps * own.times, own) for own in (self.fit.passes if self.fit else ())]
        beside = [(own.times, own) for own in self.passes]
        going = [(count, own.layer) for count, own in (*within, *beside) if own.layer is not None]
        return sum(count for count, _ in going), max((layers - layer for _, layer in going), default=0)


def demand_of(editor: Any, shape: Shape, load: Load) -> Demand | None:
    """What an editor demands; None if nobody says. Raises `BenchError` where its settings do not fit."""
    if editor.name not in DEMANDS.names():
        return None
    told: Demand = DEMANDS.load(editor.name)(editor, shape, load)
    return told


class _Unseeded(TorchFunctionMode):
    """Random numbers without a generator: one of the processor cannot serve the meta device."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **{name: own for name, own in (kwargs or {}).items() if name != "generator"})


def numbers_of(make: Callable[[], nn.Module]) -> tuple[int, int]:
    """Trained numbers of the module that `make` builds, and bytes of all its tensors; it takes no memory."""
    with META, _Unseeded():
        made = make()
    trained = list(made.parameters())
    return sum(t.numel() for t in trained), sum(t.nbytes for t in (*trained, *made.buffers()))
