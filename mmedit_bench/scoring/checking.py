"""Whether a run's records are exactly what its spec asks for.

Nothing that a run says of itself is believed: the schedule is made anew from the suite, the
protocol and the baseline, and the records must be it, step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.plugins.registry import PROTOCOLS
from mmedit_bench.protocols.steps import (
    Apply,
    Ask,
    EditingProtocol,
    Measure,
    Restore,
    Step,
    Undo,
    Unit,
    in_force,
    measures_of,
    schedule_of,
)
from mmedit_bench.runs.baseline import Baseline, NotInBaseline
from mmedit_bench.runs.evidence import DEFAULT
from mmedit_bench.runs.folder import Manifest, RunState
from mmedit_bench.runs.records import Applied, Asked, Measured, Restored, StepRecord, Undone
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.selection import Selection, select_needed

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite


@dataclass(frozen=True, slots=True)
class Checked:
    """A run that is what it says: its state, the schedule it follows, and what it is measured against."""

    state: RunState
    schedule: tuple[Unit, ...]
    selection: Selection
    baseline: Baseline


def protocol_of(spec: RunSpec) -> EditingProtocol:
    """The protocol that a spec names, with its options. Raises `BenchError` for another version of it."""
    try:
        made: EditingProtocol = PROTOCOLS.load(spec.protocol)(**spec.protocol_options)
    except (BenchError, TypeError) as error:  # a TypeError is an option that the protocol does not have
        raise BadRecord(
            f"run {spec.folder_name}: its protocol {spec.protocol} cannot be followed here: {error}"
        ) from None
    if made.version != spec.protocol_version:
        raise BadRecord(
            f"run {spec.folder_name} follows version {spec.protocol_version} of protocol {spec.protocol}, "
            f"but version {made.version} is installed; install that one or run again"
        )
    return made


def checked(
    state: RunState, suite: Suite, baseline: Baseline, protocol: EditingProtocol | None = None
) -> Checked:
    """Compare a run with the schedule that its spec asks for. Raises `BadRecord` naming what differs.

    `protocol` stands in for the registered one. An incomplete run must be the schedule's beginning.
    """
    manifest = state.manifest
    spec = manifest.spec
    _refuse(data_problems(spec, suite))
    selection = reselected(spec, suite, baseline)
    _refuse(case_problems(manifest, selection))
    kept = [case.id for case in selection.cases]
    if baseline.digest(selection.considered, kept) != manifest.baseline:
        raise BadRecord(
            f"run {spec.folder_name} was measured against another baseline ({manifest.baseline[:12]}) than "
            "the one at hand; one of the two was changed or made on another machine: run again"
        )
    followed = protocol or protocol_of(spec)
    _refuse(measure_problems(spec, followed))
    schedule = schedule_of(followed, selection.cases, spec.seed)
    _refuse(schedule_problems(manifest, schedule))
    compare(manifest, state.segments, schedule)
    _same_probes(state, selection.cases, baseline)
    return Checked(state, schedule, selection, baseline)


def reselected(spec: RunSpec, suite: Suite, baseline: Baseline) -> Selection:
    """The cases that need an edit, by the baseline's answers. Raises `BadRecord` where one is missing."""

    def answers(part: Sequence[EditCase]) -> list[str]:
        # a batch may hold more cases than the limit lets be considered
        return [baseline.answers.get(case.id, case.request.target) for case in part]

    cases = suite.cases(spec.split)
    selection = select_needed(cases, answers, spec.limit, batch=spec.batch_size)
    if missing := [case for case in selection.considered if case not in baseline.answers]:
        raise NotInBaseline(f"no answer to the request of case {missing[0]}")
    return selection


def compare(manifest: Manifest, segments: Sequence[Sequence[StepRecord]], schedule: Sequence[Unit]) -> None:
    """Check that segments are the schedule's beginning, each step consistent with those before it."""
    where = f"run {manifest.spec.folder_name}: predictions.jsonl"
    planned = [(unit, number) for unit in schedule for number in range(len(unit.segments))]
    if len(segments) > len(planned):
        raise BadRecord(
            f"{where} holds more than the schedule asks, from unit {segments[len(planned)][0].unit}"
        )
    failed: dict[str, set[int]] = {}
    for segment, (unit, number) in zip(segments, planned, strict=False):
        indices = unit.segments[number]
        if [record.step for record in segment] != list(indices) or segment[0].unit != unit.id:
            raise BadRecord(
                f"{where}: expected steps {indices.start} to {indices.stop - 1} of unit {unit.id}, found "
                f"{len(segment)} from step {segment[0].step} of unit {segment[0].unit}; a unit is missing, "
                "doubled or out of order"
            )
        for record in segment:
            last = record.step == indices[-1]
            ends = ("unit" if number == len(unit.segments) - 1 else "segment") if last else None
            if problem := step_problem(record, unit, ends, failed.setdefault(unit.id, set())):
                raise BadRecord(f"{where}, unit {unit.id}, step {record.step}: {problem}")


def step_problem(record: StepRecord, unit: Unit, ends: str | None, failed: set[int]) -> str | None:
    """What is wrong with the record of a step of `unit`, if anything; notes an edit that failed.

    `ends` is what the step closes, and `failed` holds the steps before it that made no edit.
    """
    if record.closes != ends:
        return f"closes {record.closes} and not {ends}"
    step: Step = unit.steps[record.step]
    match step:
        case Apply(request=request):
            if not isinstance(record, Applied) or record.request != request.id:
                return f"expected the edit of {request.id}"
            if record.status == "failed":
                failed.add(record.step)
        case Ask(case=case, moment=moment):
            if not isinstance(record, Asked) or (record.case, record.moment) != (case.id, moment):
                return f"expected case {case.id} to be asked at {moment!r}"
            return _acting(record, unit, failed)
        case Undo(request=id):
            if not isinstance(record, Undone) or record.request != id:
                return f"expected the edit of {id} to be undone"
        case Restore():
            if not isinstance(record, Restored):
                return "expected all edits to be dropped"
        case Measure(measure=name, moment=moment):
            if not isinstance(record, Measured) or (record.measure, record.moment) != (name, moment):
                return f"expected the measure {name} at {moment!r}"
            return _acting(record, unit, failed)
        case _:
            assert_never(step)
    return None


def _acting(record: Asked | Measured, unit: Unit, failed: set[int]) -> str | None:
    """What is wrong with the edits that a record says were in force, if anything."""
    carried = tuple(id for _, id in in_force(unit, record.step, frozenset(failed)))
    if record.status == "ok" and record.edits != carried:
        return f"edits {list(record.edits)} are recorded as in force, but {list(carried)} were"
    if record.status == "failed" and (
        record.edits == carried or record.edits != carried[: len(record.edits)]
    ):
        return "failed, and yet not with the first few of the edits in force"
    return None


def data_problems(spec: RunSpec, suite: Suite) -> Iterator[str]:
    """How the data of a run differ from a suite. Raises `BenchError` for a split that it has not."""
    if (suite.name, suite.digest) != (spec.suite, spec.suite_digest):
        yield (
            f"run {spec.folder_name} was made with {spec.suite} {spec.suite_digest[:12]}, "
            f"but the data at hand is {suite.name} {suite.digest[:12]}; install the run's data or run again"
        )
    if spec.split not in suite.splits:
        raise BenchError(f"suite {suite.name} has no split {spec.split!r}; it has {', '.join(suite.splits)}")


def case_problems(manifest: Manifest, selection: Selection) -> Iterator[str]:
    """Whether the cases of a run are other ones than those that need an edit."""
    summary = manifest.selection
    if (summary.considered, summary.already_right, summary.cases) != (
        len(selection.considered),
        selection.already_right,
        tuple(case.id for case in selection.cases),
    ):
        yield (
            f"run {manifest.spec.folder_name}: its cases are not those that need an edit by the baseline; "
            "run again"
        )


def measure_problems(spec: RunSpec, protocol: EditingProtocol) -> Iterator[str]:
    """Whether a run tells of other measures than its protocol takes."""
    if spec.measures.keys() != measures_of(protocol).keys():
        yield f"run {spec.folder_name}: its spec tells of other measures than its protocol takes; run again"


def schedule_problems(manifest: Manifest, schedule: Sequence[Unit]) -> Iterator[str]:
    """Whether a manifest announces another schedule than its spec's."""
    if (manifest.units, manifest.asks) != (len(schedule), sum(len(unit.asks) for unit in schedule)):
        yield f"run {manifest.spec.folder_name}: manifest.json announces another schedule than its spec's"


def probe_problems(
    ask: Asked, wanted: Sequence[str], positions: Mapping[str, int] | None = None
) -> Iterator[tuple[str, str]]:
    """How the answers of an ask differ from the probes `wanted`, in order: a word for it, and what it is.

    `positions`: how many the reference of each has, where that is known.
    """
    found = [probe.id for probe in ask.probes]
    for id in wanted:
        if id not in found:
            yield "missing-id", f"probe {id} has no answer"
    for id in found:
        if id not in wanted:
            yield "extra-id", f"probe {id} is none of the case"
    if sorted(found) == sorted(wanted) and found != list(wanted):
        yield "order", "its probes are not the suite's, in order"
    for probe in ask.probes:
        argmax, wants = probe.reading.argmax, (positions or {}).get(probe.id)
        if argmax is not None and wants is not None and len(argmax) != wants:
            yield "positions", f"probe {probe.id} has {len(argmax)} positions, its reference {wants}"


def _same_probes(state: RunState, cases: Sequence[EditCase], baseline: Baseline) -> None:
    """Baseline and asks must hold exactly each case's probes, at as many positions as references have."""
    run = f"run {state.manifest.spec.folder_name}"
    wanted = {case.id: [probe.id for probe in case.probes] for case in cases}
    for case, ids in wanted.items():
        if [base.id for base in baseline.probes[case]] != ids:
            raise BadRecord(f"{run}: the baseline's probes of case {case} are not the suite's, in order")
    for ask in state.asks:
        where = f"{run}: predictions.jsonl, unit {ask.unit}, case {ask.case}"
        positions = {base.id: len(base.target) for base in baseline.probes[ask.case]}
        _refuse(f"{where}: {text}" for _, text in probe_problems(ask, wanted[ask.case], positions))


def _refuse(problems: Iterator[str]) -> None:
    """Raise `BadRecord` with the first of these, if there is one."""
    for text in problems:
        raise BadRecord(text)


def measured_against(run: Checked) -> str:
    """Digest of the readings before any edit: equal for runs whose numbers can be compared.

    The evidence that only some runs record is left out; the manifest's digest covers it too.
    """
    manifest = run.state.manifest
    if manifest.spec.evidence == DEFAULT:
        return manifest.baseline
    common = Baseline(DEFAULT, run.baseline.answers, run.baseline.probes)
    return common.digest(run.selection.considered, [case.id for case in run.selection.cases])
