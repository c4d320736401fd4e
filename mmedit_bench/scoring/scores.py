"""The scores of one run as values, and scores.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.families import family_named

SCHEMA_VERSION = 1
FILE_NAME = "scores.json"


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a table, in percent, with its 95 % interval. All three are None if n is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Probes behind the number."""
    edits: int
    """Edits behind the number; each has one vote."""
    label: str
    """What was measured; numbers with different labels are not comparable."""

    @property
    def half_width(self) -> float | None:
        """Half the interval's length."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


Cells = Mapping[str, Cell]
"""By column: "kind/stratum", or the group means "generality", "locality" and "mean"."""


@dataclass(frozen=True, slots=True)
class FamilyScores:
    """All numbers of one scorer family."""

    family: str
    overall: Cells
    by_sort: Mapping[str, Cells]
    """The same over corrections only and over counterfactuals only."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What edits cost, averaged. None where nothing was recorded."""

    seconds: float | None = None
    """Wall seconds per edit."""
    edit_bytes: float | None = None
    """Bytes of an edit's tensors and texts."""
    n: int = 0
    """Edits measured."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many edits a run was to make, and what became of them."""

    considered: int
    already_right: int
    planned: int
    done: int
    failed: int


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
    families: Mapping[str, FamilyScores]
    cost: Cost = field(default=Cost(), compare=False)
    """From timings.jsonl. Not part of scores.json, which is the same on every machine."""

    def family(self, name: str) -> FamilyScores:
        """The scores of one family. Raises `BenchError` for one that was not computed."""
        family_named(name)
        if name not in self.families:
            raise BenchError(f"run {self.spec.folder_name} was not scored with {name}; score it again")
        return self.families[name]

    def text(self) -> str:
        """scores.json: the same bytes for the same predictions and data."""
        values = asdict(self)
        del values["cost"]
        head = {"schema_version": SCHEMA_VERSION, "fingerprint": self.spec.fingerprint}
        return json.dumps(head | values, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """The inverse of `text`. Raises `BadRecord` naming the file for anything else."""
        try:
            values = json.loads(path.read_bytes())
            if values.pop("schema_version") != SCHEMA_VERSION:
                raise BadRecord(f"{path} was written by another version of mmedit-bench; score the run again")
            fingerprint = values.pop("fingerprint")
            values["spec"] = RunSpec.from_dict(values["spec"])
            values["counts"] = Counts(**values["counts"])
            values["families"] = {name: _family(item) for name, item in values["families"].items()}
            scores = cls(**values)
            if scores.spec.fingerprint != fingerprint:
                raise BadRecord(f"{path}: fingerprint and spec contradict each other; score the run again")
        except BadRecord:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BenchError) as error:
            raise BadRecord(
                f"{path} cannot be read: {type(error).__name__}: {error}; score the run again"
            ) from None
        return scores


def _family(values: Mapping[str, Any]) -> FamilyScores:
    by_sort = {sort: _cells(cells) for sort, cells in values["by_sort"].items()}
    return FamilyScores(values["family"], _cells(values["overall"]), by_sort)


def _cells(values: Mapping[str, Any]) -> dict[str, Cell]:
    return {column: Cell(**cell) for column, cell in values.items()}
