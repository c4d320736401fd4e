"""Runs an editor: walks a schedule, records answers, and proves that the backbone stayed as it was.

The harness knows nothing of methods, data sets or metrics. An editor is handed the backbone, with
the earlier edits of its unit, and an `EditRequest`; a probe never reaches it. This keeps honest code
honest and is no wall against hostile code, which shares the process.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from mmedit_bench.cases import EditCase
from mmedit_bench.datasets.suite import TRAIN, Suite
from mmedit_bench.errors import BadData, BadRecord, BenchError, WeightsChanged
from mmedit_bench.harness.artefacts import prepared
from mmedit_bench.harness.asking import ask
from mmedit_bench.harness.baseline import BeforeStore
from mmedit_bench.harness.guard import ProofPolicy, WeightGuard, refuse_spoiled
from mmedit_bench.harness.selection import select_needed
from mmedit_bench.harness.walk import Walked, Walker, seed_everything
from mmedit_bench.protocols.steps import EditingProtocol, Unit
from mmedit_bench.runs.folder import Manifest, RunFolder, SelectionSummary
from mmedit_bench.runs.provenance import library_version, source_digest
from mmedit_bench.runs.records import AskRecord
from mmedit_bench.runs.spec import RunSpec

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.editors import Editor, Trained

log = logging.getLogger(__name__)

_source_digest = functools.cache(source_digest)  # the code in memory is that of the first look

Progress = Callable[[str, int, int], None]
"""Called with a phase ("select", "before", "edit"), how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What to run: the parts, ready for use."""

    suite: Suite
    split: str
    backbone: Backbone
    editor: Editor
    protocol: EditingProtocol
    editor_options: Mapping[str, Any] = field(default_factory=dict)
    """The options the editor was made with."""
    editor_source: str = "unregistered"
    """`Entry.source` of an editor that was looked up by name."""
    limit: int | None = None
    seed: int = 0

    def spec(self) -> RunSpec:
        """What determines the outcome, with the backbone as it was loaded; a guard proves the rest."""
        base, editor, protocol = self.backbone.unedited(), self.editor, self.protocol
        parts = (__name__, type(base).__module__, type(protocol).__module__, "mmedit_bench.editors")
        return RunSpec(
            suite=self.suite.name,
            suite_digest=self.suite.digest,
            split=self.split,
            backbone=base.name,
            backbone_digest=base.loaded_digest,
            editor=editor.name,
            editor_version=editor.version,
            editor_source=self.editor_source,
            editor_options=self.editor_options,
            editor_code=_source_digest(type(editor).__module__, folder=True),
            protocol=protocol.name,
            protocol_version=protocol.version,
            limit=self.limit,
            seed=self.seed,
            dtype=str(base.dtype).removeprefix("torch."),
            device=str(base.device).partition(":")[0],
            batch_size=base.batch_size,
            core_code=_source_digest(*parts),
            torch=library_version("torch"),
            transformers=library_version("transformers"),
        )


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. Its units are all recorded; whatever prevents that is raised."""

    folder: Path
    status: Literal["complete", "already complete"]
    units: int
    new: int
    """Units run by this call; the others were found recorded."""
    failed: int
    """Asks whose edit failed, in the whole run."""
    selection: SelectionSummary


def run(
    experiment: Experiment,
    out: Path,
    *,
    policy: ProofPolicy | None = None,
    progress: Progress | None = None,
    artefacts: Path | None = None,
) -> RunResult:
    """Run what is not recorded yet, into a folder under `out` named by the run's fingerprint.

    Ends with the same bytes in manifest.json and predictions.jsonl however often it was killed on
    the way. What a trained editor has learned is kept under `artefacts` (default: the user's cache)
    and trained first if it is missing. An editor that raises has the case recorded as failed.
    Raises `WeightsChanged`, and records nothing that is not proven, if the editor alters the
    backbone; `BenchError` if another process writes to the folder; `BadRecord` if its files are
    damaged.
    """
    tell = progress or (lambda phase, done, total: None)
    refuse_spoiled(experiment.backbone)
    spec = experiment.spec()
    base = experiment.backbone.unedited()
    with RunFolder(out / spec.folder_name).writing() as folder:
        known = folder.manifest.exists()
        store = BeforeStore(out / ".before", base, spec)
        manifest, schedule = _plan(experiment, spec, folder, store, tell)
        recorded = folder.resume().units
        _match(folder, recorded, schedule)
        failed = sum(record.status == "failed" for unit in recorded for record in unit)
        pending = schedule[len(recorded) :]
        if pending:
            # All of it before the editor meets the backbone, so that no editor can colour it.
            for done, unit in enumerate(pending):
                for _, case in unit.asks:
                    store.replies(case.probes)
                tell("before", done + 1, len(pending))
            proofs = policy or ProofPolicy()
            failed += _edit(experiment, spec, folder, store, pending, proofs, tell, artefacts)
        status: Literal["complete", "already complete"]
        status = "already complete" if known and not pending else "complete"
        log.info("%s: %s, %d new units of %d", folder.path, status, len(pending), len(schedule))
        return RunResult(folder.path, status, len(schedule), len(pending), failed, manifest.selection)


def _plan(
    experiment: Experiment, spec: RunSpec, folder: RunFolder, store: BeforeStore, tell: Progress
) -> tuple[Manifest, tuple[Unit, ...]]:
    """The manifest, from the folder or new, and the schedule."""
    cases = experiment.suite.cases(experiment.split)
    if folder.manifest.exists():
        manifest = Manifest.read(folder.manifest)
        if manifest.spec != spec:
            raise BadRecord(f"{folder.manifest} is of another run; move the folder away and run again")
        kept = set(manifest.selection.cases)
        schedule = _schedule(experiment, [case for case in cases if case.id in kept])
        if len(schedule) != manifest.units:
            raise BadRecord(f"{folder.manifest} was changed by hand; move the folder away and run again")
        return manifest, schedule
    base = experiment.backbone.unedited()
    selection = select_needed(
        base,
        cases,
        experiment.limit,
        answers=store.answers,
        progress=lambda done: tell("select", done, len(cases)),
    )
    schedule = _schedule(experiment, selection.cases)
    ids = tuple(case.id for case in selection.cases)
    summary = SelectionSummary(selection.considered, selection.already_right, ids)
    asks, control = (
        sum(len(unit.asks) for unit in schedule),
        bool(getattr(experiment.editor, "control", False)),
    )
    manifest = Manifest(spec, summary, len(schedule), asks, control)
    folder.announce(manifest)
    return manifest, schedule


def _schedule(experiment: Experiment, cases: Sequence[EditCase]) -> tuple[Unit, ...]:
    schedule = tuple(experiment.protocol.units(cases, experiment.seed))
    name = experiment.protocol.name
    if len({unit.id for unit in schedule}) < len(schedule):
        raise BenchError(f"protocol {name} gives two units the same id")
    if silent := [unit.id for unit in schedule if not unit.asks]:
        raise BenchError(f"protocol {name}: unit {silent[0]} asks nothing, so nothing can be recorded of it")
    return schedule


def _match(folder: RunFolder, recorded: Sequence[Sequence[AskRecord]], schedule: Sequence[Unit]) -> None:
    """Check that what is recorded is the beginning of the schedule."""
    planned = [[(unit.id, step, case.id) for step, case in unit.asks] for unit in schedule]
    found = [[(record.unit, record.step, record.case) for record in unit] for unit in recorded]
    if found != planned[: len(found)]:
        raise BadRecord(f"{folder.predictions} is not what the schedule asks; move the folder away")


class _Recorder:
    """Holds what was walked until a proof follows it, then writes it."""

    def __init__(self, folder: RunFolder, guard: WeightGuard) -> None:
        self.failed = 0
        self._folder = folder
        self._guard = guard
        self._held: list[Walked] = []
        self._writing = False

    def add(self, walked: Walked) -> None:
        self._held.append(walked)

    def record(self, when: str) -> None:
        """Prove and write. A second call after one that was cut short in writing does nothing.

        The next run mends a torn tail, but appending to one would be damage.
        """
        if self._writing or not self._held:
            return
        self._guard.prove(when)
        self._writing = True
        records = [record for walked in self._held for record in walked.records]
        self._folder.append(records, [timing for walked in self._held for timing in walked.timings])
        self.failed += sum(record.status == "failed" for record in records)
        self._held.clear()
        self._writing = False


def _edit(
    experiment: Experiment,
    spec: RunSpec,
    folder: RunFolder,
    store: BeforeStore,
    pending: Sequence[Unit],
    policy: ProofPolicy,
    tell: Progress,
    artefacts: Path | None,
) -> int:
    """Prepare the editor and run the pending units. Returns how many asks failed."""
    base, editor = experiment.backbone.unedited(), experiment.editor
    canary = pending[0].asks[0][1].probes
    try:
        guard = WeightGuard(base, spec.backbone_digest, policy, lambda: ask(base, canary))
        prepare, train = getattr(editor, "prepare", None), getattr(editor, "train", None)
        if prepare or train:
            if TRAIN not in experiment.suite.splits:
                raise BadData(f"suite {spec.suite} has no split {TRAIN!r} to prepare {editor.name} with")
            cases = experiment.suite.cases(TRAIN)
            if train:
                seed_everything(spec.seed, "train")
                trained = cast("Trained", editor)
                artefact = prepared(trained, base, cases, seed=spec.seed, folder=artefacts, progress=tell)
                folder.describe_artefact(artefact.summary())
            if prepare:
                seed_everything(spec.seed, "prepare")
                prepare(base.unedited(), cases)
            guard.prove("after it was prepared")
        recorder, walker = _Recorder(folder, guard), Walker(base, editor, store, guard)
        try:
            for done, unit in enumerate(pending):
                seed_everything(spec.seed, unit.id)
                recorder.add(walker.walk(unit))
                if guard.due() or done == 0:
                    recorder.record(f"after unit {unit.id}")
                tell("edit", done + 1, len(pending))
            recorder.record("after the last unit")
        except WeightsChanged:
            raise
        except BaseException:  # typically Ctrl-C: what is finished is kept
            recorder.record("when the run was ended")
            raise
    except WeightsChanged as error:
        raise WeightsChanged(f"editor {editor.name}: {error} {folder.path} keeps what was proven.") from None
    return recorder.failed
