"""The scores of one run as values, and scores.json.

The file is for people and their scripts. Nothing here reads it back: whoever wants scores computes
them from the answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.steps import END
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.retention import MeasureCells

if TYPE_CHECKING:
    from mmedit_bench.scoring.conflicts import ConflictScores
    from mmedit_bench.scoring.rollbacks import RollbackScores
    from mmedit_bench.scoring.sequence_scores import SequenceScores

SCHEMA_VERSION = 3
FILE_NAME = "scores.json"

NOTHING_ASKED = "nothing was asked"
NOT_WHOLE = "not all that it is made of was asked"
TEXT_ALONE = "a route answered some of these probes with a text alone, of which this reads nothing"
NOTHING_MEETS = "nothing that was asked meets its condition"
NONE_MEETS = "no probe meets the condition of this column"
TOO_FEW = "too few independent edits or sequences for an interval"
"""Why a cell lacks a number or an interval."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a table, in its unit, with its 95 % interval.

    An empty cell has no value, a cell of too few units no bounds; either way `reason` says why.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Probes behind the number."""
    edits: int
    """Edits behind the number; each has one vote."""
    label: str
    """What was measured; numbers with different labels are not comparable."""
    reason: str | None = None
    """Why there is no number, or no interval; None where both are there."""
    unit: str = "percent"
    """"percent", "points" (a difference of two percentages) or "nats"."""

    @property
    def half_width(self) -> float | None:
        """Half the interval's length."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


Cells = Mapping[str, Cell]
"""By column: "kind/stratum", or a summary of columns such as "generality", "mean" or "hard" (`groups`)."""


@dataclass(frozen=True, slots=True)
class FamilyScores:
    """All numbers of one scorer family."""

    family: str
    overall: Cells
    by_sort: Mapping[str, Cells]
    """The same over corrections only and over counterfactuals only."""
    by_task: Mapping[str, Cells] = field(default_factory=dict)
    """The same by task of the edit, where the cases of the run have several."""


@dataclass(frozen=True, slots=True)
class Section:
    """Numbers of one behaviour, or of one gap between two families: one measurement, many columns."""

    title: str
    unit: str
    good: str
    """Which way is better: "high", "low", or "" where neither is."""
    overall: Cells
    by_sort: Mapping[str, Cells]


@dataclass(frozen=True, slots=True)
class Cost:
    """What edits cost, averaged. None where nothing was recorded."""

    seconds: float | None = None
    """Wall seconds per edit."""
    edit_bytes: float | None = None
    """Bytes of an edit's tensors and texts."""
    n: int = 0
    """Edits measured."""
    parameters: float | None = None
    """Numbers in an edit's own tensors."""
    overhead: float | None = None
    """Seconds to answer with the edit, over those without it, for the same questions in one process."""
    timed: int = 0
    """Asks behind the overhead."""
    peak_bytes: float | None = None
    """High-water mark of the memory of the process that asked; see `docs/metrics.md`."""
    preparation: float | None = None
    """Seconds that the editor's training took, wherever and whenever that was."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many edits a run was to make, and what became of them."""

    considered: int
    already_right: int
    planned: int
    """Times that a case is to be asked at the end of a unit: once per edit, where edits are made alone."""
    done: int
    failed: int

    @property
    def no_op_rate(self) -> float | None:
        """Share of the cases considered that needed no edit, in percent."""
        return 100 * self.already_right / self.considered if self.considered else None


@dataclass(frozen=True, slots=True)
class RunScores:
    """Scores of one run with all that is needed to read and to repeat them."""

    spec: RunSpec
    counts: Counts
    complete: bool
    control: bool
    """Whether the editor is no method but a mark on the scale; controls are not ranked."""
    normalizer: str
    bootstrap: Mapping[str, Any]
    predictions: str
    """sha256 of the predictions scored."""
    baseline: str
    """sha256 of the requests' and probes' readings before any edit, in the evidence every run has."""
    artefact: str | None
    """sha256 of what the editor had learned."""
    source: str
    """Distribution and version that the editor came from, as the run says."""
    families: Mapping[str, FamilyScores]
    """What was measured at the end of units: the headline."""
    left_out: Mapping[str, str]
    """Why a family, or a section, is not among them, by its name."""
    moments: Mapping[str, Mapping[str, FamilyScores]] = field(default_factory=dict)
    """The same at every other moment that cases were asked at, in the schedule's order."""
    sections: Mapping[str, Section] = field(default_factory=dict)
    """Behaviours and gaps at the end of units, by name; those without their evidence are in `left_out`."""
    sequences: Mapping[str, SequenceScores] = field(default_factory=dict)
    """By family, what sequences of edits come to; empty for a run without sequences."""
    rollback: Mapping[str, RollbackScores] = field(default_factory=dict)
    """By family, what an undone edit left behind; empty for a run that undoes none."""
    conflict: Mapping[str, ConflictScores] = field(default_factory=dict)
    """By family, which of two contradicting edits is in force; empty for a run without such."""
    measures: MeasureCells = field(default_factory=dict)
    """What is no probe: measured values and their change to the unedited model."""
    cost: Cost = field(default=Cost(), compare=False)
    """From timings.jsonl. Not part of scores.json, which is the same on every machine."""

    def family(self, name: str) -> FamilyScores:
        """The scores of one family. Raises `BenchError` for one that the run has no evidence of."""
        legacy = family_named(name).legacy
        if name not in self.families:
            how = " with --legacy" if legacy else ""
            why = self.left_out.get(name, f"it was not scored with it; score it again{how}")
            raise BenchError(f"run {self.spec.folder_name} has no numbers of {name}: {why}")
        return self.families[name]

    @property
    def at(self) -> Mapping[str, Mapping[str, FamilyScores]]:
        """The scores at every moment by family, the end first."""
        return {END: self.families, **self.moments}

    def text(self) -> str:
        """scores.json: the same bytes for the same predictions and data."""
        values = asdict(self)
        del values["cost"]
        values["counts"]["no_op_rate"] = self.counts.no_op_rate
        head = {"schema_version": SCHEMA_VERSION, "fingerprint": self.spec.fingerprint}
        return json.dumps(head | values, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
