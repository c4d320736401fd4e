"""Sets of cases that can be edited in one sequence, drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.contradictions import contradictions

MOST_SETS = 100
"""Sets that are drawn where nobody says how many."""


def whole_set(cases: Sequence[EditCase], seed: int) -> tuple[EditCase, ...]:
    """As many cases as are found to stand together, in their order.

    Those that contradict the fewest of the rest are taken first, by the seed where several do. No
    case that is left out could be added.
    """
    bonds = contradictions(cases)
    chance = _shuffled(cases, f"{seed}/whole")
    left = {case.id: len(bonds[case.id]) for case in chance}
    taken: set[str] = set()
    while left:
        chosen = min(left, key=left.__getitem__)  # the first of several, in shuffled order
        taken.add(chosen)
        for gone in [chosen, *(other for other in bonds[chosen] if other in left)]:
            del left[gone]
            for other in bonds[gone]:
                if other in left:
                    left[other] -= 1
    return tuple(case for case in cases if case.id in taken)


def disjoint_sets(
    protocol: str,
    cases: Sequence[EditCase],
    each: Mapping[str, int],
    count: int | None,
    seed: int,
    key: Callable[[EditCase], str] = lambda case: "",
    most: int | None = MOST_SETS,
) -> tuple[tuple[EditCase, ...], ...]:
    """`count` sets, no case in two of them, none with two cases that contradict each other.

    A set has `each[k]` cases whose `key` is k. Without `count` there are as many as can be found, at
    most `most`. Raises `BenchError` where not even one, or not `count`, can be.
    """
    by_key = {k: [case for case in cases if key(case) == k] for k in each}
    fit = min(len(by_key[k]) // number for k, number in each.items())
    bonds = contradictions(cases)
    for sets in [count] if count else range(min(fit, most or fit), 0, -1):
        if sets > fit:
            break
        for order in _orders(cases, bonds, seed):
            if filled := _filled(order, bonds, each, sets, key):
                return filled
    size = sum(each.values())
    wanted = f"{count} sequences" if count and count > 1 else "a sequence"
    raise BenchError(
        f"{protocol}: {wanted} of {size} edits cannot be made of {len(cases)} cases, of which no two in a "
        "sequence may contradict each other; choose a smaller 'length' or fewer 'sequences', or raise --limit"
    )


def _orders(
    cases: Sequence[EditCase], bonds: Mapping[str, frozenset[str]], seed: int
) -> Iterator[list[EditCase]]:
    """In which cases are offered: by chance; those that are hard to place first; easy ones first."""
    drawn = _shuffled(cases, f"{seed}/sets")
    yield drawn
    yield sorted(drawn, key=lambda case: -len(bonds[case.id]))
    yield sorted(drawn, key=lambda case: len(bonds[case.id]))


def _filled(
    offered: Sequence[EditCase],
    bonds: Mapping[str, frozenset[str]],
    each: Mapping[str, int],
    sets: int,
    key: Callable[[EditCase], str],
) -> tuple[tuple[EditCase, ...], ...] | None:
    """Each case goes to the emptiest set that has room and nothing against it; None if a set stays short."""
    held: list[list[EditCase]] = [[] for _ in range(sets)]
    ids: list[set[str]] = [set() for _ in range(sets)]
    room = [dict(each) for _ in range(sets)]
    short = sets * sum(each.values())
    for case in offered:
        own = key(case)
        open_ones = [at for at in range(sets) if room[at].get(own) and bonds[case.id].isdisjoint(ids[at])]
        if not open_ones:
            continue
        at = min(open_ones, key=lambda at: len(held[at]))
        held[at].append(case)
        ids[at].add(case.id)
        room[at][own] -= 1
        short -= 1
        if not short:
            return tuple(map(tuple, held))
    return None


def _shuffled(cases: Sequence[EditCase], seed: str) -> list[EditCase]:
    drawn = list(cases)
    random.Random(seed).shuffle(drawn)
    return drawn
