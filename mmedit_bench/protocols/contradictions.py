"""Which cases cannot stand in one sequence, as the cases themselves tell.

Edits are made to be scored one by one, and what one of them changes another may expect to stay. Two
cases contradict each other if

- they edit the same thing: a picture that the one should be taken in by (its request's, or that of a
  probe that should change) is such a picture of the other too;
- a probe of the one asks what the other changes: it has the query of the other's request or of one
  of its probes that should change;
- the one changes what is said of its picture altogether (it has probes for what follows from the
  edit), and a probe of the other asks something about that picture that should stay;
- what follows from the one is the very fact that the other changes: a probe for it has the prompt of
  the other's request, and a text-only probe of the other names the one's target.

The last sees only what is named; what follows by further steps is not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mmedit_bench.cases import CHANGE_KINDS, EditCase, Probe, Query

FOLLOWS = "portability"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a case tells: digests of queries and pictures, and prompts."""

    things: frozenset[str]
    """Pictures of the edited thing."""
    changed: frozenset[str]
    """Queries that the edit should reach."""
    asked: frozenset[str]
    """Queries of all probes."""
    kept: frozenset[str]
    """Pictures of probes that should stay."""
    follows: tuple[str, ...]
    """Prompts of what follows from the edit."""
    request: Query
    target: str
    texts: tuple[str, ...]
    """Prompts of text-only probes."""


def reached(case: EditCase) -> list[Probe]:
    """The probes that ask for what was edited, or for what follows from it.

    Reliability beside its main stratum asks with a part of the question taken away: many edits share
    such a question, and none of them says what its answer is.
    """
    return [
        probe
        for probe in case.probes
        if probe.kind in CHANGE_KINDS and (probe.kind != "reliability" or probe.stratum == "main")
    ]


def _seen(case: EditCase) -> _Seen:
    change = reached(case)
    direct = [case.request.query, *(probe.query for probe in change if probe.kind != FOLLOWS)]
    keep = [probe.query for probe in case.probes if probe.kind not in CHANGE_KINDS]
    return _Seen(
        things=frozenset(query.image.digest for query in direct if query.image),
        changed=frozenset(query.digest for query in (case.request.query, *(p.query for p in change))),
        asked=frozenset(probe.query.digest for probe in case.probes),
        kept=frozenset(query.image.digest for query in keep if query.image),
        follows=tuple(probe.query.prompt for probe in change if probe.kind == FOLLOWS),
        request=case.request.query,
        target=case.request.target.casefold(),
        texts=tuple(query.prompt.casefold() for query in keep if not query.image),
    )


def contradictions(cases: Sequence[EditCase]) -> Mapping[str, frozenset[str]]:
    """By id of each case, the ids of those that it contradicts: symmetric, a function of the cases alone."""
    seen = [_seen(case) for case in cases]
    found: defaultdict[int, set[int]] = defaultdict(set)
    for one, other in _pairs(seen):
        if one != other:
            found[one].add(other)
            found[other].add(one)
    return {case.id: frozenset(cases[i].id for i in found[at]) for at, case in enumerate(cases)}


def _pairs(seen: Sequence[_Seen]) -> Iterator[tuple[int, int]]:
    """Places of cases that contradict each other, some of them several times."""
    things, changed, prompts = (defaultdict[str, list[int]](list) for _ in range(3))
    for at, own in enumerate(seen):
        for picture in own.things:
            things[picture].append(at)
        for query in own.changed:
            changed[query].append(at)
        prompts[own.request.prompt].append(at)
    for at, own in enumerate(seen):
        for picture in own.things:
            yield from ((at, other) for other in things[picture])
        for query in own.asked:
            yield from ((at, other) for other in changed.get(query, ()))
        for picture in own.kept:
            yield from ((at, other) for other in things.get(picture, ()) if seen[other].follows)
        for prompt in own.follows:
            for other in prompts.get(prompt, ()):
                if any(own.target in text for text in seen[other].texts):
                    yield at, other
