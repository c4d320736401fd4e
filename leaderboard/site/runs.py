"""One run of the board, with all that its pages need, and how it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaderboard.site.answers import Answers, Ruler, answers_of
from leaderboard.site.entries import lines_of
from leaderboard.site.scores_file import read_scores
from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.folder import Manifest
from mmedit_bench.runs.spec import RunSpec, canonical
from mmedit_bench.scoring.cells import cells_of
from mmedit_bench.scoring.cost import TRAINING, cost_of_lines
from mmedit_bench.scoring.edit_values import EditValues
from mmedit_bench.scoring.families import families
from mmedit_bench.scoring.groups import GROUPS, SUMMARIES, linear
from mmedit_bench.scoring.permutation import contributions
from mmedit_bench.scoring.scores import Cells, RunScores
from mmedit_bench.submissions.board_folder import BoardRun
from mmedit_bench.submissions.verified import Sample

BLIND = "-blind"
"""What the name of a blindly drawn suite ends with."""
MANIFEST, PREDICTIONS, TIMINGS = "manifest.json", "predictions.jsonl.gz", "timings.jsonl.gz"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parts:
    """What each cluster contributes to summaries; runs with equal clusters, edits and baseline can be
    paired."""

    clusters: tuple[str, ...]
    values: Mapping[str, Floats]
    """By summary that the run has a number of, to each part of it: [parts, clusters]."""
    edits: int
    made: str
    """sha256 of units and cases, edit by edit: units of one name hold other cases under another seed."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an entry."""

    entry: str
    """The entry's id."""
    folder: Path
    manifest: Manifest
    scores: RunScores
    """Failed edits counted in, as they always are unless somebody asks otherwise."""
    left_out: Mapping[str, Cells] | None
    """By family, the headline without the failed edits; None where they could not be computed."""
    parts: Mapping[tuple[str, bool], Parts]
    """By family, and whether failed edits are left out, the contributions to the summaries."""
    against: str
    """Digest of the readings before any edit: equal for runs whose numbers can be compared."""
    probes: str
    """"public" or "blind"."""
    sample: Sample | None
    """How many edits were asked about again; None where none was."""
    commitment: str | None
    """sha256 of the secret of a blind draw."""

    @property
    def spec(self) -> RunSpec:
        """What determines its predictions."""
        return self.manifest.spec

    @property
    def fingerprint(self) -> str:
        """sha256 of the spec."""
        return self.spec.fingerprint

    @property
    def suite(self) -> str:
        """The suite's name, the same for public and blind probes."""
        return self.spec.suite.removesuffix(BLIND) if self.probes == "blind" else self.spec.suite

    @property
    def predictions(self) -> Path:
        """Where its answers lie."""
        return self.folder / PREDICTIONS

    def cells(self, family: str, *, left_out: bool = False) -> Cells | None:
        """The headline's numbers by a family; None where there are none."""
        if left_out:
            return None if self.left_out is None else self.left_out.get(family)
        found = self.scores.families.get(family)
        return None if found is None else found.overall


def read_run(entry: str, found: BoardRun, ruler: Ruler | None) -> Run:
    """Read a run of the board. Without a `ruler` what takes the suite's data is missing.

    Raises `BadRecord` for files that contradict each other.
    """
    folder, verified = found.path, found.verified
    manifest = Manifest.read(folder / MANIFEST)
    scores = read_scores(folder)
    if not manifest.spec.fingerprint == scores.spec.fingerprint == verified.fingerprint:
        raise BadRecord(f"{folder}: manifest, scores and verification are not of one run; admit it again")
    try:
        cost = cost_of_lines(lines_of(folder / TIMINGS), folder / TRAINING)
    except FileNotFoundError:
        cost = scores.cost
    answers = None if ruler is None else answers_of(folder / PREDICTIONS, manifest, ruler)
    left_out = None if scores.counts.failed else _overall(scores)
    if answers is not None and scores.counts.failed:
        kept = [row for row, failed in enumerate(answers.failed) if not failed]
        left_out = {name: cells_of(families()[name], own.take(kept)) for name, own in answers.values.items()}
    return Run(
        entry=entry,
        folder=folder,
        manifest=manifest,
        scores=replace(scores, cost=cost),
        left_out=left_out,
        parts={} if answers is None else _parts(answers),
        against=scores.baseline if answers is None else answers.against,
        probes=verified.probes,
        sample=verified.sample,
        commitment=verified.commitment,
    )


def _overall(scores: RunScores) -> dict[str, Cells]:
    return {name: own.overall for name, own in scores.families.items()}


def _parts(answers: Answers) -> dict[tuple[str, bool], Parts]:
    found = {}
    for name, values in answers.values.items():
        for left_out in (False, True):
            own = _contributed(values, answers.failed if left_out else ())
            if own is not None:
                found[name, left_out] = own
    return found


def _contributed(values: EditValues, failed: tuple[bool, ...]) -> Parts | None:
    """An edit left out contributes nothing, and those kept more. None without any summary."""
    table = values.without(values.empty)
    if any(failed):
        table[list(failed)] = np.nan
    found = contributions(table, values.clusters, values.columns, linear(values.groups))
    made = {}
    for name in SUMMARIES:
        own = [one for part in GROUPS[name].parts if (one := found[part]) is not None]
        if len(own) == len(GROUPS[name].parts):
            made[name] = np.stack(own)
    edits = hashlib.sha256(canonical([values.units, values.cases]).encode()).hexdigest()
    clusters = tuple(sorted(set(values.clusters)))
    return Parts(clusters, made, len(values.cases), edits) if made else None
