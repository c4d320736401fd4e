"""A schedule: what a protocol tells the harness to do.

A protocol knows cases and order, nothing of editors, backbones or metrics; the harness walks the
schedule and knows nothing of the protocol's intentions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmedit_bench.cases import EditCase, EditRequest


@dataclass(frozen=True, slots=True)
class Apply:
    """Have the editor make an edit, and keep it in force on top of those already there."""

    request: EditRequest


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask all probes of a case with the edits now in force, and record the answers."""

    case: EditCase


@dataclass(frozen=True, slots=True)
class Restore:
    """Drop all edits."""


Step = Apply | Ask | Restore


@dataclass(frozen=True, slots=True)
class Unit:
    """Steps that belong together: a run records a unit wholly or not at all.

    No edit outlives its unit, so units can run in any process. `id` is unique in a schedule and
    seeds the unit's random numbers.
    """

    id: str
    steps: tuple[Step, ...]

    @property
    def asks(self) -> tuple[tuple[int, EditCase], ...]:
        """Index and case of each `Ask`, in order."""
        return tuple((index, step.case) for index, step in enumerate(self.steps) if isinstance(step, Ask))


class EditingProtocol(Protocol):
    """What is registered under `mmedit_bench.protocols`: a class, called with its options.

    `version` changes whenever the schedule for the same cases and seed may.
    """

    name: str
    version: str

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        """The schedule, a function of the arguments alone. Each unit asks at least once."""
