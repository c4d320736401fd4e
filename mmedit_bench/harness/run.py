"""One run, from its parts to a folder of records.

The harness knows nothing of methods, data sets or metrics. An editor is handed the backbone, with
the earlier edits of its unit, and an `EditRequest`; a probe never reaches it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from mmedit_bench.errors import BadRecord, BenchError, WeightsChanged
from mmedit_bench.harness.baseline import Measured, Progress, measured
from mmedit_bench.harness.commit import Committer
from mmedit_bench.harness.editor_side import EditorSide, InProcess
from mmedit_bench.harness.guard import ProofPolicy, refuse_spoiled
from mmedit_bench.harness.identity import EditorIdentity
from mmedit_bench.harness.plan import Experiment, Plan, planned
from mmedit_bench.harness.work import Task, watched, work
from mmedit_bench.runs.baseline import FOLDER
from mmedit_bench.runs.folder import Manifest, RunFolder, SelectionSummary, read_run

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. Its units are all recorded; whatever prevents that is raised."""

    folder: Path
    status: Literal["complete", "already complete"]
    units: int
    new: int
    """Units that this call finished; the others were found recorded."""
    failed: int
    """Edits that could not be made, in the whole run."""
    selection: SelectionSummary


class Crew(Protocol):
    """Processes that work on a run's units beside this one."""

    def work(self, plan: Plan, folder: RunFolder, tasks: Sequence[Task], committer: Committer) -> None:
        """Have all tasks done, and let the committer advance as segments are laid down."""


def run(
    experiment: Experiment,
    out: Path,
    *,
    found: Measured | None = None,
    side: EditorSide | None = None,
    crew: Crew | None = None,
    policy: ProofPolicy | None = None,
    progress: Progress | None = None,
    artefacts: Path | None = None,
    fail_fast: bool = False,
) -> RunResult:
    """Run what is not recorded yet, into a folder under `out` named by the run's fingerprint.

    Ends with the same bytes in manifest.json and predictions.jsonl however often it was killed on
    the way and however many processes took part. `found` is the baseline with its selection, made
    before the editor was loaded; without it, it is made here. What a trained editor has learned is
    kept under `artefacts` (default: the user's cache) and trained first if it is missing. An editor
    that raises has the edit recorded as failed; with `fail_fast` the run then ends with `FailedFast`.
    Raises `WeightsChanged`, and records nothing that is not proven, if the editor alters the backbone;
    `BenchError` if another process writes to the folder; `BadRecord` if its files are damaged, or rest
    on another baseline or training; `Unusable` for a file that the system refuses.
    """
    tell = progress or (lambda phase, done, total: None)
    refuse_spoiled(experiment.backbone)
    base = experiment.backbone.unedited()
    baseline = found or measured(
        experiment.suite, experiment.split, base, out / FOLDER,
        limit=experiment.limit, kinds=experiment.evidence, progress=tell,
    )  # fmt: skip
    draft = planned(experiment, baseline)
    with RunFolder(out / draft.spec.folder_name).writing() as folder:
        known = Manifest.read(folder.manifest) if folder.manifest.exists() else None
        plan = draft if known is None else _resumed(folder, draft, known)
        committer = Committer(folder, plan, fail_fast=fail_fast)
        committer.advance()
        before = set(_finished(folder, plan)) if known else set()
        if known is None or committer.pending():
            policy = policy or ProofPolicy()
            guard = watched(plan, base, policy)
            try:
                acting = side or _beside(experiment, artefacts, edits=crew is None)
                learned = acting.ready(tell)
                guard.prove("after the editor was prepared")
                plan = _with_artefact(folder, plan, known, learned["sha256"] if learned else None)
                if learned:
                    folder.describe_artefact(learned)
                if known is None:
                    folder.announce(plan.manifest)
                tasks = [Task(i, n, committer.failures(i)) for i, n in committer.pending()]
                if crew is None:
                    work(
                        plan, base, acting, committer.bench, tasks,
                        policy=policy, guard=guard, laid=committer.advance, fail_fast=fail_fast, tell=tell,
                    )  # fmt: skip
                else:
                    crew.work(plan, folder, tasks, committer)
            except WeightsChanged as error:
                name = experiment.editor.name
                raise WeightsChanged(f"editor {name}: {error} {folder.path} keeps what was proven.") from None
        return ended(folder, plan, committer, before, fresh=known is None)


def ended(folder: RunFolder, plan: Plan, committer: Committer, before: Set[str], *, fresh: bool) -> RunResult:
    """What a run came to. `before`: units that were recorded before; `fresh`: it had no manifest.

    Raises `BadRecord` if something is missing, whatever was said of it.
    """
    if not committer.complete:
        raise BadRecord(f"{folder.path}: not all units were recorded; run again to go on")
    committer.bench.clear()
    state = read_run(folder.path)
    new = len(set(state.finished_units) - before)
    status: Literal["complete", "already complete"] = "complete" if new or fresh else "already complete"
    log.info("%s: %s, %d new units of %d", folder.path, status, new, len(plan.schedule))
    return RunResult(folder.path, status, len(plan.schedule), new, state.failed, plan.manifest.selection)


def _beside(experiment: Experiment, artefacts: Path | None, *, edits: bool) -> EditorSide:
    """The editor's side in this process; without `edits` it is only trained here."""
    editor, base = experiment.editor, experiment.backbone.unedited()
    if isinstance(editor, EditorIdentity):
        raise BenchError(f"editor {editor.name} is not in this process; give the run its side")
    return InProcess(editor, base, experiment.suite, seed=experiment.seed, artefacts=artefacts, edits=edits)


def _finished(folder: RunFolder, plan: Plan) -> tuple[str, ...]:
    return read_run(folder.path).finished_units


def _resumed(folder: RunFolder, draft: Plan, known: Manifest) -> Plan:
    """The plan of a folder that has a manifest. Raises `BadRecord` unless it is the same plan."""
    if known.spec != draft.spec:
        raise BadRecord(f"{folder.manifest} is of another run; move the folder away and run again")
    if known.baseline != draft.manifest.baseline:
        raise BadRecord(
            f"{folder.manifest}: the run was measured against baseline {known.baseline[:12]}, the one at "
            f"hand is {draft.manifest.baseline[:12]}; move the folder away and run again"
        )
    mine = draft.manifest
    if (known.selection, known.units, known.asks) != (mine.selection, mine.units, mine.asks):
        raise BadRecord(f"{folder.manifest} was changed by hand; move the folder away and run again")
    return Plan(draft.spec, draft.schedule, known)


def _with_artefact(folder: RunFolder, plan: Plan, known: Manifest | None, sha256: str | None) -> Plan:
    """The plan with the digest of the training. Raises `BadRecord` if the run began with another."""
    if known is None:
        manifest = plan.manifest
        return Plan(
            plan.spec,
            plan.schedule,
            replace(manifest, artefact=sha256),
        )
    if known.artefact != sha256:
        raise BadRecord(
            f"{folder.manifest}: the run began with training {str(known.artefact)[:12]}, the one at hand is "
            f"{str(sha256)[:12]}; bring that one back, or move the folder away and run again"
        )
    return plan
