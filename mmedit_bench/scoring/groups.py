"""Summaries of columns: which parts each has, and how they are combined. Formulas: docs/metrics.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """A number made of others: columns, or groups that come before it."""

    parts: tuple[str, ...]
    harmonic: bool = False
    """Whether the parts are combined by their harmonic mean rather than their mean."""
    if_asked: bool = False
    """Whether columns that a suite does not ask are left out, so long as it asks one of them."""

    def of(self, parts: Sequence[Floats] | Floats) -> Floats:
        """The group's values from those of its parts, in [0, 1]; element by element.

        NaN where a part is NaN, and of harmonic means 0 where a part is 0.
        """
        table = np.broadcast_arrays(*parts)
        if not self.harmonic:
            return np.asarray(np.mean(table, axis=0))
        with np.errstate(divide="ignore"):
            return np.asarray(len(table) / np.sum([1 / part for part in table], axis=0))

    def slopes(self, points: Floats) -> Floats:
        """The derivative by each part at `points`, [..., parts]; the same shape.

        A harmonic mean H of n parts rises with part x by H^2 / (n x^2). Where a part is 0 no number of
        editors or resamples near it moves, and 0 is given.
        """
        count = points.shape[-1]
        if not self.harmonic:
            return np.full(points.shape, 1 / count)
        value = self.of(np.moveaxis(points, -1, 0))[..., None]
        there = points > 0
        return np.where(there, (value / np.where(there, points, 1.0)) ** 2 / count, 0.0)


MEANS: Mapping[str, Group] = {
    "generality": Group(("text_generality/main", "image_generality/main")),
    "locality": Group(("text_locality/main", "image_locality/main")),
    "mean": Group(("reliability/main", "generality", "locality")),
}
"""The summary of the UniKE paper's table 5: mean of reliability, mean generality, mean locality. What is
made of two conditions, or of several moments, has these groups alone."""

HARD = "hard"
GROUPS: Mapping[str, Group] = {
    **MEANS,
    "hard_generality": Group(
        (
            "text_generality/main",
            "image_generality/main",
            "text_image_generality/main",
            "image_generality/unseen_artist",
        )
    ),
    "near_text": Group(("text_locality/same_relation", "text_locality/same_thing"), if_asked=True),
    "hard_locality": Group(
        (
            "text_locality/main",
            "image_locality/main",
            "image_locality/same_question",
            "image_locality/same_image",
            "near_text",
        )
    ),
    HARD: Group(("reliability/main", "hard_generality", "hard_locality"), harmonic=True),
}
"""All summaries. A suite that lacks a part of one has no number of it."""
SUMMARIES = (HARD, "mean")
"""What rows are ordered by: the first of them that some row has a number of."""


def groups_of(asked: Collection[str]) -> dict[str, Group]:
    """All groups, with the parts that they have where these columns are asked."""

    def kept(group: Group) -> Group:
        parts = tuple(part for part in group.parts if part in asked)
        return replace(group, parts=parts) if group.if_asked and parts else group

    return {name: kept(group) for name, group in GROUPS.items()}


def linear(groups: Mapping[str, Group]) -> dict[str, Group]:
    """Those that rest on no harmonic mean: a difference of two is the group of the parts' differences."""
    curved: set[str] = set()
    for name, group in groups.items():
        if group.harmonic or curved.intersection(group.parts):
            curved.add(name)
    return {name: group for name, group in groups.items() if name not in curved}


def combined(table: Mapping[str, Floats], groups: Mapping[str, Group]) -> dict[str, Floats]:
    """`table`, values by column, with every group added to it; a group that lacks a part is NaN."""
    found = dict(table)
    lacking = np.full(1, np.nan)
    for name, group in groups.items():
        found[name] = group.of([found.get(part, lacking) for part in group.parts])
    return found


def leaves(name: str, groups: Mapping[str, Group]) -> tuple[str, ...]:
    """The columns that a group rests on; a column is its own."""
    if name not in groups:
        return (name,)
    return tuple(leaf for part in groups[name].parts for leaf in leaves(part, groups))


def summary_of(rows: Iterable[Collection[str]]) -> str:
    """By which summary rows are ordered, of each of which the columns with a number are given."""
    known = [set(row) for row in rows]
    return next((name for name in SUMMARIES if any(name in row for row in known)), SUMMARIES[-1])
