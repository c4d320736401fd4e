"""A reader whose code stays in the editor's process: questions go there, texts come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from torch import Tensor

from mmedit_bench.cases import Query
from mmedit_bench.errors import NotSavable
from mmedit_bench.execution.blinding import Place
from mmedit_bench.interventions import Shared

Asking = Callable[[Sequence[Place], Sequence[Query]], list[str | None]]
"""Puts queries to routes: by query the answer, or None where none of them is in scope."""


@dataclass(frozen=True, eq=False)
class RemoteReader:
    """Routes of one or several edits, in order; the process that has them folds them."""

    asking: Asking
    places: tuple[Place, ...]
    nbytes: int
    """Bytes of what is read, as told by the other side."""
    parameter_count: int
    """Numbers in its tensors, likewise."""
    _latest: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """Answers to the latest queries: whether and what are one question."""

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        return [text is not None for text in self._texts(queries)]

    def answer(self, backbone: Any, queries: Sequence[Query]) -> list[str]:
        """What the other side says. Queries that `in_scope` was just asked about are not sent again."""
        return [text or "" for text in self._texts(queries)]

    def merged(self, other: Any) -> Self | None:
        if type(other) is not RemoteReader or other.asking != self.asking:
            return None
        count = self.parameter_count + other.parameter_count
        return type(self)(self.asking, (*self.places, *other.places), self.nbytes + other.nbytes, count)

    def plain(self) -> Mapping[str, Any]:
        raise NotSavable("a route through the editor's process holds code that is not here")

    def tensors(self) -> Mapping[str, Tensor]:
        return {}

    def shared(self) -> Mapping[str, Shared]:
        return {}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared]
    ) -> Self:
        raise NotSavable("a route through the editor's process cannot be restored from a file")

    def _texts(self, queries: Sequence[Query]) -> list[str | None]:
        keys = [(query.prompt, query.image.digest if query.image else "") for query in queries]
        if not all(key in self._latest for key in keys):
            found = self.asking(self.places, queries)
            self._latest.clear()
            self._latest.update(zip(keys, found, strict=True))
        return [self._latest[key] for key in keys]
