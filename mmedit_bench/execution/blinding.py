"""How questions reach code that may look out for them: mixed, in no order, and not all of them scored.

A route that stays in the editor's process is asked what it says to a case's probes. Asked as they
are, they come as one list with one probe of each kind. Here they are shuffled by a secret among
questions of the same forms that count for nothing (decoys), and questions under earlier edits. What
is said to those is dropped. The process sees pairs of edits and bare queries.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mmedit_bench.cases import EditCase, Query

Place = tuple[int, int]
"""The handle of an edit, and the index of a route in it."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mixture(Generic[T]):
    """Questions as they are put: each to the routes at some places."""

    asked: tuple[tuple[tuple[Place, ...], Query], ...]
    own: tuple[int, ...]
    """Where the questions that count stand, in the order in which they were to be asked."""

    def unmixed(self, said: Sequence[T]) -> list[T]:
        """What was said to the questions that count."""
        return [said[at] for at in self.own]


@dataclass(slots=True)
class _Earlier:
    """Routes that were asked before, with decoys that they have not heard."""

    places: tuple[Place, ...]
    left: list[Query] = field(default_factory=list)


def plain(places: Sequence[Place], queries: Sequence[Query]) -> Mixture[T]:
    """The queries as they are."""
    own = tuple(places)
    return Mixture(tuple((own, query) for query in queries), tuple(range(len(queries))))


class Blinding:
    """Mixes what one editor's process is asked. It knows no kind and no reference of any question."""

    def __init__(
        self, secret: bytes, *, keep: int = 4, decoys: Mapping[str, Sequence[Query]] | None = None
    ) -> None:
        """`keep`: how many earlier edits are asked beside the latest, one decoy each.

        `decoys`: by the digest of a query, questions that may stand beside it; see `decoys_by_query`.
        """
        self._secret = secret
        self._decoys = decoys or {}
        self._earlier: deque[_Earlier] = deque(maxlen=keep)
        self._asks = 0

    @property
    def handles(self) -> frozenset[int]:
        """The edits that are to be kept where they are, to be asked again."""
        return frozenset(handle for one in self._earlier for handle, _ in one.places)

    def mixed(
        self, places: Sequence[Place], queries: Sequence[Query], there: Collection[int] | None = None
    ) -> Mixture[T]:
        """The queries to the routes at `places`, among others; `there`: edits that can be asked (all)."""
        chance, own = self._chance(queries), tuple(places)
        heard = {query.digest for query in queries}
        beside = {d.digest: d for query in queries for d in self._decoys.get(query.digest, ())}
        unheard = [decoy for digest, decoy in beside.items() if digest not in heard]
        chance.shuffle(unheard)
        count = min(len(unheard), chance.randint((len(queries) + 3) // 4, (len(queries) + 1) // 2))
        pairs = [(own, query) for query in (*queries, *unheard[:count])]
        for one in self._earlier:
            reached = there is None or all(handle in there for handle, _ in one.places)
            if reached and one.left and one.places != own:
                pairs.append((one.places, one.left.pop()))
        if not any(one.places == own for one in self._earlier):
            self._earlier.append(_Earlier(own, unheard[count:]))
        order = chance.sample(range(len(pairs)), len(pairs))
        at = {was: now for now, was in enumerate(order)}
        return Mixture(tuple(pairs[was] for was in order), tuple(at[n] for n in range(len(queries))))

    def _chance(self, queries: Sequence[Query]) -> random.Random:
        self._asks += 1
        about = "/".join((str(self._asks), *(query.digest for query in queries)))
        return random.Random(hmac.digest(self._secret, about.encode(), hashlib.sha256))


def decoys_by_query(
    cases: Iterable[EditCase], decoys: Mapping[str, Sequence[Query]]
) -> dict[str, tuple[Query, ...]]:
    """Decoys by the query that they may stand beside, from decoys by case.

    A query that several cases ask, such as a question without its picture, tells of none of them.
    """
    asked: dict[str, set[str]] = {}
    for case in cases:
        for probe in case.probes:
            asked.setdefault(probe.query.digest, set()).add(case.id)
    return {digest: tuple(decoys.get(min(ids), ())) for digest, ids in asked.items() if len(ids) == 1}
