"""Queries that someone else answers in the model's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar

from torch import Tensor

from mmedit_bench.cases import Query
from mmedit_bench.errors import Collision, NotSavable, UnknownName
from mmedit_bench.interventions.base import EMPTY, Intervention, register_intervention
from mmedit_bench.interventions.shared import Shared
from mmedit_bench.plugins.registry import Registry


class Reader(Protocol):
    """Who reads a query and may answer it: data, and the code of a registered class.

    A reader is a value. It is handed the backbone when it is asked, without edits, and holds none.
    """

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        """By query, whether this reader answers it."""

    def answer(self, backbone: Any, queries: Sequence[Query]) -> list[str]:
        """One answer per query; all are in scope."""

    def merged(self, other: Any) -> Self | None:
        """One reader in place of this one and a later one; None if both are to be asked in turn."""

    @property
    def nbytes(self) -> int:
        """Bytes of its own tensors and texts."""

    def plain(self) -> Mapping[str, Any]:
        """Fields that are JSON values."""

    def tensors(self) -> Mapping[str, Tensor]:
        """Fields that are tensors."""

    def shared(self) -> Mapping[str, Shared]:
        """Parts that several edits refer to, such as a trained network."""

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared]
    ) -> Self:
        """The reader that was described."""


Scope = Callable[[Query], bool]
"""Which queries are answered."""


@dataclass(frozen=True)
class Everything:
    """The scope that holds every query."""

    def __call__(self, query: Query) -> bool:
        return True


@dataclass(frozen=True)
class ConstantAnswer:
    """Answers every query in its scope with the same text. Another scope than `Everything` is code."""

    text: str
    scope: Scope = Everything()

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        return [self.scope(query) for query in queries]

    def answer(self, backbone: Any, queries: Sequence[Query]) -> list[str]:
        """`text`, once per query."""
        return [self.text] * len(queries)

    def merged(self, other: Any) -> Self | None:
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of the text."""
        return len(self.text.encode())

    def plain(self) -> Mapping[str, Any]:
        if self.scope != Everything():
            raise NotSavable("a ConstantAnswer with a scope of its own holds code; register a reader instead")
        return {"text": self.text}

    def tensors(self) -> Mapping[str, Tensor]:
        return {}

    def shared(self) -> Mapping[str, Shared]:
        return {}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared]
    ) -> Self:
        return cls(plain["text"])


# ---- names of readers

READERS = Registry("mmedit_bench.readers", "reader")
"""Reader classes of installed distributions, by the kind they are saved under."""

R = TypeVar("R")

_KINDS: dict[str, Any] = {}


def register_reader(kind: str, cls: type[R]) -> type[R]:
    """Let edits with readers of this class be saved and loaded under the name `kind`.

    So that a process that never imported the class can load them, its distribution names it in the
    entry-point group `mmedit_bench.readers` as well. Raises `Collision` if another class has the name.
    """
    if _KINDS.setdefault(kind, cls) is not cls:
        raise Collision(f"reader {kind!r} is already {_KINDS[kind].__qualname__}; rename yours")
    return cls


def _kind(reader: Reader) -> str:
    for kind, cls in _KINDS.items():
        if type(reader) is cls:
            return kind
    name = type(reader).__qualname__
    raise NotSavable(f"a route through {name} holds code that is not registered; call register_reader first")


def _reader_class(kind: str) -> Any:
    if kind in _KINDS:
        return _KINDS[kind]
    if kind not in READERS.names():
        raise UnknownName(
            f"unknown reader {kind!r} (known: {', '.join(sorted({*_KINDS, *READERS.names()}))}); "
            "install the distribution that registers it"
        )
    return register_reader(kind, READERS.load(kind))


register_reader("constant_answer", ConstantAnswer)


# ---- interventions


@dataclass(frozen=True, eq=False)
class Route(Intervention):
    """Queries in the scope of `reader` are answered by it.

    Of several routes in whose scope a query falls, the latest answers it. `key` names the request
    that the route is for: a later route with the same key takes the earlier one's place.
    """

    stateless: ClassVar[bool] = True
    reader: Reader
    key: str = ""

    @property
    def place(self) -> str:
        return "route"

    def merged(self, other: Intervention) -> Intervention | None:
        return Routes((self,)).merged(other)

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        return self.reader.in_scope(backbone, queries)

    def answers(self, backbone: Any, queries: Sequence[Query]) -> dict[int, str]:
        own = [i for i, inside in enumerate(self.in_scope(backbone, queries)) if inside]
        if not own:
            return {}
        return dict(zip(own, self.reader.answer(backbone, [queries[i] for i in own]), strict=True))

    @property
    def nbytes(self) -> int:
        """What the reader says."""
        return self.reader.nbytes

    @property
    def parameter_count(self) -> int:
        """Numbers in the reader's tensors; one whose tensors are in another process says how many."""
        told: int | None = getattr(self.reader, "parameter_count", None)
        return super().parameter_count if told is None else told

    def tensors(self) -> Mapping[str, Tensor]:
        return self.reader.tensors()

    def shared(self) -> Mapping[str, Shared]:
        return self.reader.shared()

    def plain(self) -> Mapping[str, Any]:
        return {"reader": _kind(self.reader), "key": self.key, "fields": dict(self.reader.plain())}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared] = EMPTY
    ) -> Self:
        return cls(_reader_class(plain["reader"]).restore(plain["fields"], tensors, shared), plain["key"])


@dataclass(frozen=True, eq=False)
class Routes(Intervention):
    """Routes of several edits, in order; what they fold into. It is no part of an edit.

    Neighbours whose readers merge are one route. Others are not moved past each other: the latest in
    scope is to answer.
    """

    stateless: ClassVar[bool] = True
    parts: tuple[Route, ...]

    @property
    def place(self) -> str:
        return "route"

    def merged(self, other: Intervention) -> Intervention | None:
        if type(other) is not Route:
            return None
        kept = [part for part in self.parts if not other.key or part.key != other.key]
        reader = kept[-1].reader.merged(other.reader) if kept else None
        if reader is None:
            return Routes((*kept, other))
        return Routes((*kept[:-1], Route(reader)))

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        inside = [part.in_scope(backbone, queries) for part in self.parts]
        return [any(column) for column in zip(*inside, strict=True)]

    def answers(self, backbone: Any, queries: Sequence[Query]) -> dict[int, str]:
        found: dict[int, str] = {}
        for part in reversed(self.parts):
            left = [i for i in range(len(queries)) if i not in found]
            own = part.answers(backbone, [queries[i] for i in left])
            found |= {left[i]: text for i, text in own.items()}
        return found

    def plain(self) -> Mapping[str, Any]:
        return {"parts": [part.plain() for part in self.parts]}


register_intervention("route", Route)
