"""Rank intervals: which places the evidence leaves to each of several editors.

A place is taken from an editor only by one that is significantly better or worse than it: among n
editors, i may stand anywhere from 1 + (those clearly better) to n - (those clearly worse). With all
pairs tested at one family-wise level, every interval holds the editor's true place at once with that
confidence, for a false interval needs a false claim about a pair. This is the step from pairwise
comparisons to the ranks of one task in Neuhof and Benjamini (2026, arXiv 2606.08679), here with
Holm-corrected permutation tests; ties widen intervals and never break by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Rank(NamedTuple):
    """The best and the worst place that the evidence allows."""

    best: int
    worst: int

    def __str__(self) -> str:
        return f"{self.best}" if self.best == self.worst else f"{self.best}-{self.worst}"


def rank_intervals(
    names: Sequence[str], clearly: Mapping[tuple[str, str], float], *, alpha: float = 0.05
) -> dict[str, Rank]:
    """The interval of every name.

    `clearly` has, for each pair that was tested, (better, worse) by their means, its p-value after
    correction over all pairs. A pair that is missing, or above `alpha`, takes no place from either.
    """
    beaten = dict.fromkeys(names, 0)
    beats = dict.fromkeys(names, 0)
    for (better, worse), p in clearly.items():
        if p <= alpha:
            beats[better] += 1
            beaten[worse] += 1
    return {name: Rank(1 + beaten[name], len(names) - beats[name]) for name in names}
