"""Conflicting edits: what was edited is edited again, with another target. The last one must win."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmedit_bench.cases import EditCase, EditRequest
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols import settings
from mmedit_bench.protocols.contradictions import reached
from mmedit_bench.protocols.drawing import disjoint_sets
from mmedit_bench.protocols.moments import WITHOUT
from mmedit_bench.protocols.steps import Apply, Ask, Step, Unit

ITEM, PICTURE = "item", "picture"


class Conflict:
    """An earlier edit that the case's own contradicts, and what remains of it.

    With `rival` "item" the same question about the same picture was edited before, to the target of
    another case: of one whose request has the same prompt where there is such a one, so that it is
    an answer to the question. Units are sets of `between` + 1 cases that do not contradict each other.
    First all of them are edited to the other targets, then, in the same order, to their own; each is
    asked right after its own edit, at "end". So `between` other edits lie between the two.

    With "picture" the earlier edit is that of another case, about a picture of the same thing, which
    wants another answer to a question that both ask. Each such pair makes two units, one for each
    order; only the later case is asked.

    With `without`, each unit has another beside it, of the same cluster, that makes only the later
    edits and asks at the moment "without".
    """

    name = "conflict"
    version = "1"

    def __init__(
        self, rival: str = ITEM, between: int = 0, sequences: int | None = None, without: bool = True
    ) -> None:
        """Raises `BenchError` naming an option that is out of range."""
        self.rival = settings.choice(self.name, "rival", rival, (ITEM, PICTURE))
        self.between = settings.whole(self.name, "between", between, least=0)
        if self.rival == PICTURE and between:
            raise BenchError(f"{self.name}: option 'between' is for the rival {ITEM!r} only")
        self.sequences = None if sequences is None else settings.whole(self.name, "sequences", sequences)
        self.without = settings.switch(self.name, "without", without)

    @property
    def options(self) -> Mapping[str, Any]:
        """All options as they hold."""
        return {
            "rival": self.rival,
            "between": self.between,
            "sequences": self.sequences,
            "without": self.without,
        }

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        """Raises `BenchError` where the cases have no conflict of this kind, or no sets so large."""
        if not cases:
            return
        found = self._items(cases, seed) if self.rival == ITEM else self._pictures(cases)
        for name, (cluster, earlier, later) in found.items():
            steps: list[Step] = [Apply(request) for request in earlier]
            own = [step for case in later for step in (Apply(case.request), Ask(case))]
            yield Unit(name, (*steps, *own), cluster)
            if self.without:
                alone = [s for case in later for s in (Apply(case.request), Ask(case, WITHOUT))]
                yield Unit(f"{name}/without", tuple(alone), cluster)

    def _items(self, cases: Sequence[EditCase], seed: int) -> dict[str, _Clash]:
        sets = (
            disjoint_sets(self.name, cases, {"": self.between + 1}, self.sequences, seed, most=None)
            if self.between
            else [(case,) for case in cases[: self.sequences]]
        )
        found: dict[str, _Clash] = {}
        for number, chosen in enumerate(sets):
            name = f"set-{number}" if self.between else chosen[0].id
            found[name] = name, [_other_edit(case, cases, seed) for case in chosen], chosen
        return found

    def _pictures(self, cases: Sequence[EditCase]) -> dict[str, _Clash]:
        pairs = clashes(cases)[: self.sequences]
        if not pairs:
            raise BenchError(
                f"{self.name}: no two of these {len(cases)} cases want different answers to one question "
                f"about one picture; choose the rival {ITEM!r}, another suite or a larger --limit"
            )
        found: dict[str, _Clash] = {}
        for one, other in pairs:
            for first, last in ((one, other), (other, one)):
                found[f"{first.id}/{last.id}"] = f"{one.id}/{other.id}", [first.request], [last]
        return found


_Clash = tuple[str, Sequence[EditRequest], Sequence[EditCase]]
"""Cluster, earlier edits, later cases."""


def clashes(cases: Sequence[EditCase]) -> list[tuple[EditCase, EditCase]]:
    """Pairs of which each one's request has a query of the other's, with another answer, in order."""
    wanted = [answers_of(case) for case in cases]
    asking: dict[str, list[int]] = {}
    for at, answers in enumerate(wanted):
        for query in answers:
            asking.setdefault(query, []).append(at)
    pairs = {
        (min(at, other), max(at, other))
        for at, case in enumerate(cases)
        for other in asking[case.request.query.digest]
        if wanted[other][case.request.query.digest] != case.request.target
        and wanted[at].get(cases[other].request.query.digest, cases[other].request.target)
        != cases[other].request.target
    }
    return [(cases[one], cases[other]) for one, other in sorted(pairs)]


def answers_of(case: EditCase) -> dict[str, str]:
    """What a case wants to be said to each query that its edit should reach, by the query's digest."""
    found = {probe.query.digest: probe.reference for probe in reached(case)}
    return found | {case.request.query.digest: case.request.target}


def _other_edit(case: EditCase, cases: Sequence[EditCase], seed: int) -> EditRequest:
    """The case's question with the target of another case."""
    query, target = case.request.query, case.request.target
    others = [other.request for other in cases if other.task == case.task and other.request.target != target]
    alike = sorted({other.target for other in others if other.query.prompt == query.prompt})
    values = alike or sorted({other.target for other in others})
    if not values:
        raise BenchError(
            f"conflict: there is no other target than that of {case.id} to edit it to first; raise --limit"
        )
    return EditRequest(
        f"{case.id}/earlier", query, random.Random(f"{seed}/conflict/{case.id}").choice(values)
    )
