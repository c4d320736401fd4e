"""Queries that someone else answers in the model's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from torch import Tensor

from mmedit_bench.cases import Query
from mmedit_bench.errors import UnknownName
from mmedit_bench.interventions.base import Answerer, Intervention, NotSavable, register_intervention


class Scope(Protocol):
    """Which queries an edit takes over."""

    def __call__(self, query: Query) -> bool:
        """True if the query is in scope."""


@dataclass(frozen=True)
class Everything:
    """The scope that holds every query."""

    def __call__(self, query: Query) -> bool:
        return True


@dataclass(frozen=True)
class ConstantAnswer:
    """Answers every query with the same text."""

    text: str

    def answer(self, queries: Sequence[Query]) -> list[str]:
        """`text`, once per query."""
        return [self.text] * len(queries)


_PLAIN: dict[str, type[Everything] | type[ConstantAnswer]] = {
    "everything": Everything,
    "constant_answer": ConstantAnswer,
}
"""Scopes and answerers that are data, by the name they are saved under."""


@dataclass(frozen=True, eq=False)
class Route(Intervention):
    """Queries for which `scope(query)` is true are answered by `answerer`.

    Of several routes in whose scope a query falls, the latest answers it.
    """

    scope: Scope
    answerer: Answerer

    def answerer_for(self, query: Query) -> Answerer | None:
        return self.answerer if self.scope(query) else None

    @property
    def nbytes(self) -> int:
        """The text of a constant answer, or what another answerer says of itself as `nbytes`, else 0."""
        if isinstance(self.answerer, ConstantAnswer):
            return len(self.answerer.text.encode())
        return int(getattr(self.answerer, "nbytes", 0))

    def plain(self) -> Mapping[str, Any]:
        return {"scope": _describe(self.scope), "answerer": _describe(self.answerer)}

    @classmethod
    def restore(cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        return cls(_build(plain["scope"]), _build(plain["answerer"]))


def _describe(part: Scope | Answerer) -> dict[str, Any]:
    for kind, cls in _PLAIN.items():
        if type(part) is cls:
            return {"kind": kind} | asdict(part)
    raise NotSavable(f"a route through {type(part).__qualname__} holds code; it cannot be saved as data")


def _build(described: Mapping[str, Any]) -> Any:
    fields = dict(described)
    kind = fields.pop("kind")
    if kind not in _PLAIN:
        raise UnknownName(f"unknown scope or answerer {kind!r} (known: {', '.join(sorted(_PLAIN))})")
    return _PLAIN[kind](**fields)


register_intervention("route", Route)
