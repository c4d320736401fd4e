"""A block's answers in one flat layout: edit by edit, its probes side by side as a table shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaderboard.site.details_block import Edits, shown_order
from leaderboard.site.details_reading import BEFORE, FAILED, GOOD, RIGHT, Wanted

ABSENT = 255
"""Outcome of a probe that was not asked."""
HAS_GOOD, HAS_BAD, HARMED, HEALED, BROKEN = 1, 2, 4, 8, 16
"""Bits of what outcomes come to: as wanted, not as wanted, right before and wrong after, wrong before and
right after, and that the edit could not be made."""
DIGITS = "0123456789abcdefghijklmnopqrstuv"


@dataclass(frozen=True, slots=True)
class Flat:
    """The layout, and the answers in it."""

    probes: tuple[tuple[Wanted, ...], ...]
    """By edit, in the order shown."""
    starts: NDArray[np.int64]
    """By edit, where its probes begin; one more at the end."""
    texts: tuple[str, ...]
    """Every distinct answer."""
    answers: tuple[NDArray[np.int32], ...]
    """By run, places in `texts`; -1 where nothing was asked."""
    outcomes: tuple[NDArray[np.uint8], ...]
    before: tuple[NDArray[np.int32], ...]
    """By group of runs, places in `texts` of what the unedited backbone says; -1 where it is not known."""


def flat_of(edits: Edits) -> Flat:
    """Lay out a block's answers."""
    orders = [shown_order(edits.wanted(row), edits.columns) for row in range(len(edits.rows))]
    probes = []
    for row, order in enumerate(orders):
        own = edits.wanted(row)
        probes.append(tuple(own[one] for one in order))
    # secret draws may differ in how many questions they ask about an edit
    widths = [
        max(len(asked.probes[case]) for asked in edits.asked if case in asked.probes)
        for _, case in edits.rows
    ]
    starts = np.concatenate([[0], np.cumsum(widths, dtype=np.int64)])
    texts: dict[str, int] = {}
    answers, outcomes = [], []
    moves: dict[tuple[int, bytes], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for run, places, group in zip(edits.runs, edits.places, edits.groups, strict=True):
        known = np.array([texts.setdefault(text, len(texts)) for text in run.texts], np.int32)
        said = np.full(starts[-1], -1, np.int32)
        out = np.full(starts[-1], ABSENT, np.uint8)
        alike = group, places.tobytes()  # most runs of a block make the same edits
        if alike not in moves:
            moves[alike] = _moves(edits, group, places, orders, starts)
        source, goal = moves[alike]
        said[goal], out[goal] = known[run.answers[source]], run.outcomes[source]
        answers.append(said)
        outcomes.append(out)
    before = tuple(_before(edits, group, orders, starts, texts) for group in range(len(edits.asked)))
    return Flat(tuple(probes), starts, tuple(texts), tuple(answers), tuple(outcomes), before)


def _moves(
    edits: Edits, group: int, places: NDArray[np.int64], orders: list[list[int]], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where a run's answers lie in its records, and where in the layout."""
    made = np.flatnonzero(places >= 0)
    cases = [edits.rows[row][1] for row in made]
    counts = np.array([len(edits.asked[group].probes[case]) for case in cases], np.int64)
    by_place = np.zeros(len(made) + 1, np.int64)
    by_place[places[made] + 1] = counts
    begins = np.cumsum(by_place)[places[made]]
    source = [
        begin + np.array(_fitted(orders[row], count))
        for row, begin, count in zip(made, begins, counts, strict=True)
    ]
    goal = [starts[row] + np.arange(count) for row, count in zip(made, counts, strict=True)]
    empty = np.zeros(0, np.int64)
    return np.concatenate([empty, *source]), np.concatenate([empty, *goal])


def _fitted(order: list[int], count: int) -> list[int]:
    return order if len(order) == count else list(range(count))


def _before(
    edits: Edits, group: int, orders: list[list[int]], starts: NDArray[np.int64], texts: dict[str, int]
) -> NDArray[np.int32]:
    found = np.full(starts[-1], -1, np.int32)
    for row, (_, case) in enumerate(edits.rows):
        own = edits.asked[group].probes.get(case, ())
        for place, one in enumerate(_fitted(orders[row], len(own)) if own else ()):
            found[starts[row] + place] = texts.setdefault(own[one].before.answer, len(texts))
    return found


def digits(outcomes: NDArray[np.uint8]) -> str:
    """One character per probe: a hexadecimal digit, or - where nothing was asked."""
    table = np.full(256, ord("-"), np.uint8)
    table[:16] = np.frombuffer(DIGITS[:16].encode(), np.uint8)
    return table[outcomes].tobytes().decode()


def joined(outcomes: list[NDArray[np.uint8]]) -> str:
    """What several runs' outcomes come to, one character per probe."""
    meaning = np.zeros(256, np.uint8)
    for code in range(16):
        right, before = bool(code & RIGHT), bool(code & BEFORE)
        meaning[code] = (
            (HAS_GOOD if code & GOOD else HAS_BAD)
            | HARMED * (before and not right)
            | HEALED * (right and not before)
            | BROKEN * bool(code & FAILED)
        )
    found = np.zeros(len(outcomes[0]), np.uint8) if outcomes else np.zeros(0, np.uint8)
    for own in outcomes:
        found |= meaning[own]
    return np.frombuffer(DIGITS.encode(), np.uint8)[found].tobytes().decode()
