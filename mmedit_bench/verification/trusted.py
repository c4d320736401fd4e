"""What a submission's records are measured against, made by this side; and its scores, made of that.

Nothing of a submission is believed but the answers: the unedited backbone is asked here, the cases are
chosen by what it says, and the manifest that goes on a board names the readings of this side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmedit_bench.errors import BenchError
from mmedit_bench.harness.baseline import Measured, Progress, asking_of, measured
from mmedit_bench.runs.baseline import path_of
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.files import make_folder, write_whole
from mmedit_bench.runs.folder import RunState
from mmedit_bench.runs.provenance import code_digest
from mmedit_bench.runs.records import Asked, ProbeRecord, StepRecord, lines_of
from mmedit_bench.scoring.checking import (
    Checked,
    case_problems,
    checked,
    probe_problems,
    protocol_of,
)
from mmedit_bench.scoring.score import scores_of
from mmedit_bench.scoring.scores import FILE_NAME
from mmedit_bench.submissions.checks_run import ExaminedRun
from mmedit_bench.submissions.problems import Problem

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone

_AGAIN = "run again with the weights and the version of mmedit-bench that the board asks for"


@dataclass(frozen=True, slots=True)
class Trusted:
    """A run that is what it says, by the readings of this side."""

    run: ExaminedRun
    found: Measured
    checked: Checked
    baseline: Path
    """The file of this side's readings, named as the run's."""


def trusted(
    run: ExaminedRun, backbone: Backbone, folder: Path, source: str, progress: Progress | None = None
) -> tuple[Trusted | None, list[Problem]]:
    """Measure what a run rests on, and compare. `folder` is this side's own folder of baselines.

    `source` is what may be said of where the editor comes from, whatever the run's manifest says.
    """
    spec, at = run.manifest.spec, f"runs/{run.folder}"
    if problems := list(_problems_of_version(run, backbone)):
        return None, problems
    found = measured(
        run.suite, spec.split, backbone, folder, limit=spec.limit, kinds=spec.evidence, progress=progress
    )
    where = f"{at}/manifest.json"
    problems = [
        Problem("cases", f"{where}#selection", text, _AGAIN)
        for text in case_problems(run.manifest, found.selection)
    ]
    if problems:
        return None, problems
    positions = {
        case: {base.id: len(base.target) for base in bases} for case, bases in found.baseline.probes.items()
    }
    wanted = {case.id: [probe.id for probe in case.probes] for case in found.selection.cases}
    for number, record in enumerate(run.records, start=1):
        if isinstance(record, Asked):
            problems += [
                Problem(code, f"{at}/predictions.jsonl:{number}", text, _AGAIN)
                for code, text in probe_problems(record, wanted[record.case], positions[record.case])
            ]
    if problems:
        return None, problems
    # the readings are ours, and so is what names them
    manifest = replace(run.manifest, baseline=found.digest, source=source)
    try:
        followed = checked(RunState(manifest, run.state.segments), run.suite, found.baseline)
    except BenchError as error:
        return None, [Problem("records", at, str(error), _AGAIN)]
    path = path_of(folder, spec)
    if not path.exists():  # another version of torch asked: the same readings under the run's name
        kept = [case.id for case in found.selection.cases]
        make_folder(path.parent)
        write_whole(path, found.baseline.lines(found.selection.considered, kept))
    return Trusted(run, found, followed, path), []


def _problems_of_version(run: ExaminedRun, backbone: Backbone) -> list[Problem]:
    """Other weights, or other code around them: such a run is another measurement."""
    spec, where = run.manifest.spec, f"runs/{run.folder}/manifest.json#spec"
    ours = asking_of(run.suite, spec.split, backbone, spec.evidence)
    ours["walking_code"] = code_digest("mmedit_bench.harness.walk", type(protocol_of(spec)).__module__)
    spread = "; to verify it, spread its backbone with --device-map" if "+" in spec.device else ""
    told = {
        "backbone_digest": ("backbone", "the weights are not those of the backbone at hand"),
        "asking_code": ("version", "the code that asks is not this version's"),
        "walking_code": ("version", "the code that walks the schedule is not this version's"),
        "device": ("device", f"it was run on {spec.device[:40]!r}, which is not the device at hand{spread}"),
        "dtype": ("device", f"it was run in {spec.dtype[:40]!r}"),
    }
    return [
        Problem(code, f"{where}.{name}", text, _AGAIN)
        for name, (code, text) in told.items()
        if getattr(spec, name) != ours[name]
    ]


def write_run(folder: Path, run: Checked, timings: bytes, *, texts_only: bool) -> Path:
    """A run as a board keeps it, with its scores; returns the run's folder under `folder`.

    With `texts_only` nothing but answers is kept: what was read under teacher forcing does not count.
    """
    manifest = run.state.manifest
    segments = tuple(map(_texts, run.state.segments)) if texts_only else run.state.segments
    state = RunState(manifest, segments)
    place = folder / manifest.spec.folder_name
    make_folder(place)
    write_whole(place / "manifest.json", manifest.text().encode())
    write_whole(place / "predictions.jsonl", lines_of(state.records, manifest.spec.evidence))
    write_whole(place / "timings.jsonl", timings)
    write_whole(place / FILE_NAME, scores_of(replace(run, state=state)).text().encode())
    return place


def _texts(segment: Sequence[StepRecord]) -> tuple[StepRecord, ...]:
    return tuple(
        replace(record, probes=tuple(ProbeRecord(p.id, Reading(p.reading.answer)) for p in record.probes))
        if isinstance(record, Asked)
        else record
        for record in segment
    )
