"""What all interventions share: how they are described, where they act, how they are restored."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmedit_bench.errors import BenchError, Collision, NotSavable, UnknownName
from mmedit_bench.interventions.shared import Shared

if TYPE_CHECKING:
    from mmedit_bench.cases import Query


EMPTY: Mapping[str, Any] = MappingProxyType({})


class Layout(Protocol):
    """What an intervention asks of an architecture; `backbones.anatomy.Anatomy` answers it."""

    @property
    def layer_count(self) -> int:
        """Number of decoder layers of the language model."""

    @property
    def gated(self) -> bool:
        """True if the feed-forward layers have a gate and an up projection (SwiGLU family)."""

    def ffn(self, layer: int) -> tuple[str, ...]:
        """Module paths of a layer's feed-forward linears, the reading ones first, the writing one last."""

    def activation(self, layer: int) -> str:
        """Module path of the layer's feed-forward activation."""

    @property
    def attention_linears(self) -> tuple[str, ...]:
        """Names of a self-attention's query, key, value and output projections, relative to it."""

    def attention(self, layer: int) -> str:
        """Module path of the layer's self-attention."""

    @property
    def q_norm(self) -> str | None:
        """Name of the norm of each query head, relative to a self-attention; None if there is none."""

    @property
    def k_norm(self) -> str | None:
        """Name of the norm of each key head, likewise."""

    def layer_of(self, module: str) -> int:
        """First decoder layer whose input or weights depend on the module; `layer_count` for the head."""

    def in_language_model(self, module: str) -> bool:
        """True if visual tokens cannot depend on the module."""


class Intervention:
    """Base of all intervention types; subclasses are frozen dataclasses.

    A type overrides what it needs: the defaults describe an intervention that does nothing. Third
    parties add types with `register_intervention`.
    """

    stateless: ClassVar[bool] = False
    """Whether what it does at a position hangs on the states it is handed, position by position, alone.

    Not on other rows of the batch, on earlier calls of the model, or on where a question ends. Rows
    may then leave a batch that goes on, and a reference may be read on from its question. Each type
    says so itself: what derives from one that does may act otherwise.
    """

    def tensors(self) -> Mapping[str, Tensor]:
        """The tensors, by field name."""
        return {}

    def shared(self) -> Mapping[str, Shared]:
        """What it refers to but does not own, by field name."""
        return {}

    @property
    def nbytes(self) -> int:
        """Bytes of its own parts: of its tensors, unless a type says otherwise."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    @property
    def parameter_count(self) -> int:
        """Numbers in all tensors of its own."""
        return sum(tensor.numel() for tensor in self.tensors().values())

    def plain(self) -> Mapping[str, Any]:
        """The other fields as JSON values. Raises `NotSavable` if one of them is code."""
        return {}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared] = EMPTY
    ) -> Self:
        """The intervention that `plain`, `tensors` and `shared` describe.

        A type without shared parts may leave the third argument out: it is then not passed.
        """
        return cls(**plain, **tensors, **shared)

    @property
    def place(self) -> Hashable | None:
        """Where it acts and how, for folding: interventions of one place may merge.

        None: it does not merge, and nothing is moved past it.
        """
        return None

    def merged(self, other: Intervention) -> Intervention | None:
        """One intervention that acts as this one and then `other`, of the same place; None if none does.

        It stays differentiable in the tensors of both.
        """
        return None

    def modules(self, layout: Layout) -> tuple[str, ...]:
        """Paths of the modules whose computation changes."""
        return ()

    def first_layer(self, layout: Layout) -> int | None:
        """First decoder layer that is touched (`layer_count`: only the head); None if none is."""
        return min((layout.layer_of(path) for path in self.modules(layout)), default=None)

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        """Install forward hooks and yield their handles, one by one as they are installed."""
        return iter(())

    def prefix(self) -> str:
        """Text put in front of every prompt."""
        return ""

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        """By query, whether it is answered in the model's place. `backbone` carries no edits."""
        return [False] * len(queries)

    def answers(self, backbone: Any, queries: Sequence[Query]) -> dict[int, str]:
        """Answers in the model's place, by index of the query; the others are left to the model."""
        return {}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Intervention):
            return NotImplemented
        mine, theirs = self.tensors(), other.tensors()
        return (
            self.plain() == other.plain()
            and self._digests() == other._digests()
            and mine.keys() == theirs.keys()
            and all(_same(mine[name], theirs[name]) for name in mine)
        )

    def __hash__(self) -> int:
        shapes = sorted((name, tuple(tensor.shape)) for name, tensor in self.tensors().items())
        # of shared parts the names only: a digest has to be computed
        shapes += [(name, ()) for name in sorted(self.shared())]
        return hash((type(self).__name__, json.dumps(self.plain(), sort_keys=True), str(shapes)))

    def _digests(self) -> dict[str, str]:
        return {name: part.digest for name, part in self.shared().items()}


T = TypeVar("T", bound=Intervention)


def _same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a, b)


_TYPES: dict[str, type[Intervention]] = {}


def register_intervention(kind: str, cls: type[T]) -> type[T]:
    """Let edits with interventions of this type be saved and loaded under the name `kind`.

    Raises `Collision` if another type carries the name.
    """
    if _TYPES.setdefault(kind, cls) is not cls:
        raise Collision(f"intervention type {kind!r} is already {_TYPES[kind].__qualname__}; rename yours")
    return cls


def kind_of(intervention: Intervention) -> str:
    """The registered name of an intervention's type. Raises `NotSavable` for an unregistered type."""
    for kind, cls in _TYPES.items():
        if type(intervention) is cls:
            return kind
    raise NotSavable(f"{type(intervention).__qualname__} is not registered; call register_intervention first")


def type_named(kind: str) -> type[Intervention]:
    """The type registered under a name. Raises `UnknownName` with the known names."""
    if kind not in _TYPES:
        raise UnknownName(
            f"unknown intervention type {kind!r} (known: {', '.join(sorted(_TYPES))}); "
            "import the package that registers it"
        )
    return _TYPES[kind]


def submodule(model: nn.Module, path: str) -> nn.Module:
    """The module at a dotted path. Raises `BenchError` if the model has none there."""
    try:
        return model.get_submodule(path)
    except AttributeError as error:
        raise BenchError(f"the backbone has no module {path!r}: {error}") from None
