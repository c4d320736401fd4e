"""Which cases need an edit: those that the unedited backbone does not already answer as wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmedit_bench.cases import EditCase, Query
from mmedit_bench.harness.asking import answered, sealed
from mmedit_bench.scoring.normalize import same_answer

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases kept, and what became of the others."""

    cases: tuple[EditCase, ...]
    considered: int
    """Cases asked about, up to the one that filled the limit."""
    already_right: int
    """Those left out because an edit would have nothing to change."""


def select_needed(
    backbone: Backbone,
    cases: Sequence[EditCase],
    limit: int | None = None,
    *,
    answers: Callable[[Sequence[Query]], list[str]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Selection:
    """Keep, in order, the cases whose request the backbone answers otherwise than with the target.

    Answers are generated and compared as the scorer compares them, after normalisation. Stops once
    `limit` cases are kept. `answers` stands in for the backbone (a store of its answers) and is
    given batches of the backbone's batch size; `progress` is told how many cases were considered.
    """
    base = backbone.unedited()
    put = answers or (lambda queries: answered(base, [sealed(query) for query in queries]))
    kept: list[EditCase] = []
    considered = already_right = 0
    for start in range(0, len(cases), backbone.batch_size):
        batch = cases[start : start + backbone.batch_size]
        for case, answer in zip(batch, put([case.request.query for case in batch]), strict=True):
            if limit is not None and len(kept) == limit:
                return Selection(tuple(kept), considered, already_right)
            considered += 1
            if same_answer(answer, case.request.target):
                already_right += 1
            else:
                kept.append(case)
        if progress:
            progress(considered)
        if limit is not None and len(kept) == limit:
            break
    return Selection(tuple(kept), considered, already_right)
