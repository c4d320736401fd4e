"""Asking a part of a run again, chosen by chance, and comparing record by record."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.editor_side import Carried, EditorSide
from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.plan import Plan
from mmedit_bench.harness.walk import Walker
from mmedit_bench.harness.work import watched
from mmedit_bench.protocols.steps import Apply, Unit
from mmedit_bench.runs.records import StepRecord
from mmedit_bench.submissions.problems import Problem
from mmedit_bench.submissions.verified import Sample
from mmedit_bench.verification.comparing import differences
from mmedit_bench.verification.shipped import Shipped
from mmedit_bench.verification.trusted import Trusted

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone

EDITS = 20
"""Edits that are asked again, where nobody says how many."""
MOST_TOLD = 5
"""Differences that are told of one unit."""

_FIX = "submit what the editor does; if it does this, run again on an undisturbed machine"


def chosen(schedule: Sequence[Unit], edits: int, chance: random.Random) -> list[int]:
    """Units drawn without looking, until they hold `edits` edits; in the order of the schedule."""
    order = list(range(len(schedule)))
    chance.shuffle(order)
    taken: list[int] = []
    held = 0
    for number in order:
        if held >= edits:
            break
        own = sum(isinstance(step, Apply) for step in schedule[number].steps)
        if own:
            taken.append(number)
            held += own
    return sorted(taken)


def asked_again(
    run: Trusted,
    backbone: Backbone,
    side: EditorSide,
    units: Sequence[int],
    progress: Progress | None = None,
) -> tuple[Sample, list[Problem]]:
    """Walk these units once more, and name every record that comes out otherwise.

    Raises `WeightsChanged` if the editor's side alters the backbone, `EditorLost` if it cannot be brought
    back, and what its `ready` raises: `NotReady` where that is the editor's own fault.
    """
    tell = progress or (lambda phase, done, total: None)
    manifest, schedule = run.checked.state.manifest, run.checked.schedule
    spec, folder = manifest.spec, run.run.folder
    guard = watched(Plan(spec, schedule, manifest), backbone, ProofPolicy())
    problems = _ready(run, side, tell)
    guard.prove("after the editor was made ready")
    if problems:  # what it would do now is not what was submitted
        return Sample(0, 0), problems
    walker = Walker(backbone, side, guard, fingerprint=spec.fingerprint, kinds=spec.evidence, seed=spec.seed)
    lines: dict[str, list[int]] = {}
    for number, record in enumerate(run.run.records):
        lines.setdefault(record.unit, []).append(number)
    edits = equal = 0
    for done, number in enumerate(units, start=1):
        unit = schedule[number]
        if isinstance(side, Shipped):
            side.begin(number)
        records: list[StepRecord] = []
        carried: tuple[Carried, ...] = ()
        for segment in range(len(unit.segments)):
            walked = walker.walk(unit, segment, carried)
            carried = walked.carried
            records += walked.records
        own = lines[unit.id]
        told = list(differences(records, [run.run.records[line] for line in own]))
        for index, _, text in told[:MOST_TOLD]:
            where = f"runs/{folder}/predictions.jsonl:{own[index] + 1}"
            problems.append(Problem("mismatch", where, text, _FIX))
        if len(told) > MOST_TOLD:
            text = f"unit {unit.id} has {len(told) - MOST_TOLD} more differences"
            problems.append(Problem("mismatch", f"runs/{folder}/predictions.jsonl", text, _FIX))
        cases = [step.request.id for step in unit.steps if isinstance(step, Apply)]
        strange = {case for _, case, _ in told}
        edits += len(cases)
        equal += 0 if "" in strange else sum(case not in strange for case in cases)
        tell("asking again", done, len(units))
    guard.prove("after the sample")
    return Sample(edits, equal), problems


def _ready(run: Trusted, side: EditorSide, tell: Progress) -> list[Problem]:
    """Have the editor learn what it needs; what it learned is to be what the run rests on."""
    learned = side.ready(tell)
    found = learned["sha256"] if learned else None
    if found == run.run.manifest.artefact:
        return []
    where = f"runs/{run.run.folder}/manifest.json#artefact"
    return [Problem("artefact", where, "the editor learned something else when it was trained here", _FIX)]
