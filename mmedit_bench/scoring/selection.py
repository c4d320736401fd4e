"""Which cases need an edit: those that the unedited backbone does not already answer as wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmedit_bench.cases import EditCase
from mmedit_bench.scoring.normalize import same_answer

Answers = Callable[[Sequence[EditCase]], Sequence[str]]
"""What the unedited backbone says to the requests of these cases."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases kept, and what became of the others."""

    cases: tuple[EditCase, ...]
    considered: tuple[str, ...]
    """Ids of the cases asked about, up to the one that filled the limit."""
    already_right: int
    """How many were left out because an edit would have nothing to change."""


def select_needed(
    cases: Sequence[EditCase],
    answers: Answers,
    limit: int | None = None,
    *,
    batch: int = 16,
    progress: Callable[[int], None] = lambda done: None,
) -> Selection:
    """Keep, in order, the cases whose request the backbone answers otherwise than with the target.

    Answers are compared as the scorer compares them, after normalisation. Stops once `limit` cases
    are kept. `answers` is given batches of at most `batch` cases, always the same ones for the same
    cases; `progress` is told how many cases were considered.
    """
    kept: list[EditCase] = []
    considered: list[str] = []
    for start in range(0, len(cases), batch):
        part = cases[start : start + batch]
        for case, answer in zip(part, answers(part), strict=True):
            if limit is not None and len(kept) == limit:
                break
            considered.append(case.id)
            if not same_answer(answer, case.request.target):
                kept.append(case)
        progress(len(considered))
        if limit is not None and len(kept) == limit:
            break
    return Selection(tuple(kept), tuple(considered), len(considered) - len(kept))
