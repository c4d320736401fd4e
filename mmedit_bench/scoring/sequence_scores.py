"""What sequences of edits come to, as values: curves, ages, areas, and what order and tasks cost.

Every number is in percent or percentage points and has the interval of a bootstrap over clusters
(sequences); `scoring.sequences` computes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mmedit_bench.scoring.scores import Cells


@dataclass(frozen=True, slots=True)
class Point:
    """The scores at one place of a curve."""

    at: int
    """Edits made (along a sequence), or edits made since (by age)."""
    cells: Cells
    """By column and group, as everywhere."""


@dataclass(frozen=True, slots=True)
class HalfLife:
    """The smallest age asked at which a score is under half of what it is at age 0."""

    edits: int | None
    """None where there is none; `reason` says why."""
    low: int | None
    """Bounds of the 95 % interval, at ages asked. None: beyond the oldest one, or too few clusters."""
    high: int | None
    oldest: int | None
    """The oldest age asked; None where there is nothing that could halve."""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SequenceScores:
    """One run's sequences in one scorer family. Cells are by column and mean, in points by all groups."""

    family: str
    length: int
    """Edits in a sequence."""
    sequences: int
    orders: int
    """Walks recorded of the sequence that has the most."""
    curve: tuple[Point, ...]
    """All edited so far, by edits made: the checkpoints, and the end of the sequence."""
    retention: tuple[Point, ...]
    """By edits made since a case's own."""
    half_life: Mapping[str, HalfLife]
    """By column and mean; empty where no ages were asked."""
    area: Cells
    """Area under the curve, as its mean height over edits made: in [0, 100]."""
    order_deviation: Cells
    """Standard deviation between orders of the same cases, in percentage points."""
    interference: Mapping[str, Cells]
    """By task and over "all": alone minus in the mix, paired; empty where no task was asked alone."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)
