"""Run folders, written with the classes that a run writes them with, but without a model."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from mmedit_bench.cases import EditCase, Probe
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.protocols.steps import Apply, Ask, Restore, Undo, Unit, in_force, schedule_of
from mmedit_bench.runs.baseline import FOLDER, Baseline, BaseProbe, path_of
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.folder import Manifest, RunFolder, SelectionSummary
from mmedit_bench.runs.records import (
    Applied,
    Asked,
    Closes,
    ProbeRecord,
    Restored,
    StepRecord,
    Undone,
    lines_of,
)
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.checking import protocol_of, reselected

Reply = Callable[[EditCase, Probe, str, bool], Reading]
"""What is answered to a probe of a case in a unit; whether the case's edit is in force."""

SPEC: dict[str, Any] = {
    "suite": "fakes", "suite_digest": "5" * 64, "split": "test",
    "backbone": "fake", "backbone_digest": "b" * 64, "evidence": ("answer", "argmax", "logprobs"),
    "editor": "ft", "editor_version": "1", "editor_settings": {"rate": 0.1}, "editor_options": {},
    "editor_code": "c0de" * 16, "artefact": None,
    "protocol": "one-step", "protocol_version": "1", "protocol_options": {}, "limit": None, "seed": 0,
    "dtype": "float32", "device": "cpu", "batch_size": 16, "threads": 1, "asking_code": "a5c" * 16,
    "walking_code": "a1c" * 16, "torch": "2.13", "transformers": "5.0",
}  # fmt: skip
"""Fields of a spec, to be changed where a test cares."""


def write_run(
    out: Path,
    suite: Suite,
    spec: RunSpec,
    reply: Reply,
    base: Callable[[Probe], BaseProbe],
    *,
    says: Callable[[EditCase], str] = lambda case: "something else",
    fails: Collection[str] = (),
    stops: int | None = None,
    seconds: float = 0.4,
    nbytes: int = 3_200_000,
    error: str = "editing: ValueError: no gradient",
    **manifest: Any,
) -> Path:
    """A run under `out` and its baseline beside it; returns the run's folder.

    `says` is the unedited answer to a request; `fails` are ids of cases whose edit cannot be made;
    `stops` is the number of units after which the run was ended.
    """
    cases = suite.cases(spec.split)
    baseline = Baseline(spec.evidence).with_answers({case.id: says(case) for case in cases})
    for case in cases:
        baseline = baseline.with_probes(case.id, [base(probe) for probe in case.probes])
    path = path_of(out / FOLDER, spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(baseline.lines([case.id for case in cases], [case.id for case in cases]))
    selection = reselected(spec, suite, baseline)
    kept = tuple(case.id for case in selection.cases)
    schedule = schedule_of(protocol_of(spec), selection.cases, spec.seed)
    folder = RunFolder(out / spec.folder_name)
    with folder.writing():
        folder.announce(
            Manifest(
                spec,
                SelectionSummary(len(selection.considered), selection.already_right, kept),
                len(schedule),
                sum(len(unit.asks) for unit in schedule),
                baseline.digest(selection.considered, kept),
                **manifest,
            )
        )
        folder.predictions.write_bytes(b"")
        for unit in schedule[:stops]:
            records = records_of(unit, reply, fails, error)
            cost = {"seconds": seconds, "edit_bytes": nbytes}
            applied = [record for record in records if isinstance(record, Applied)]
            folder.append(lines_of(records, spec.evidence))
            folder.append_timings([{"unit": unit.id, "step": record.step, **cost} for record in applied])
    return folder.path


def records_of(unit: Unit, reply: Reply, fails: Collection[str], error: str) -> list[StepRecord]:
    """What a unit comes to."""
    failed = frozenset(
        index for index, step in enumerate(unit.steps) if isinstance(step, Apply) and step.request.id in fails
    )
    ends = {segment[-1] for segment in unit.segments}
    records: list[StepRecord] = []
    for index, step in enumerate(unit.steps):
        closes: Closes = "unit" if index == len(unit.steps) - 1 else "segment" if index in ends else None
        head: dict[str, Any] = {"unit": unit.id, "step": index, "closes": closes}
        match step:
            case Apply(request=request):
                broken = index in failed
                status: Any = "failed" if broken else "ok"
                records.append(
                    Applied(**head, request=request.id, status=status, error=error if broken else None)
                )
            case Ask(case=case, moment=moment):
                edits = tuple(id for _, id in in_force(unit, index, failed))
                probes = tuple(
                    ProbeRecord(probe.id, reply(case, probe, unit.id, case.id in edits))
                    for probe in case.probes
                )
                own = {"case": case.id, "moment": moment, "edits": edits, "probes": probes}
                records.append(Asked(**head, **own, status="ok", error=None))
            case Undo(request=id):
                records.append(Undone(**head, request=id))
            case Restore():
                records.append(Restored(**head))
    return records
