"""The same edits, asked about by probes that nobody could know: drawn by a secret of the verifying side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmedit_bench.datasets.blind import blind_suite
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.execution.blinding import Blinding
from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.order import Order
from mmedit_bench.harness.baseline import Progress, measured
from mmedit_bench.harness.plan import Experiment, planned
from mmedit_bench.harness.run import run as run_harness
from mmedit_bench.protocols.steps import Apply, Unit
from mmedit_bench.runs.baseline import FOLDER, path_of
from mmedit_bench.scoring.checking import protocol_of
from mmedit_bench.scoring.score import checked_run
from mmedit_bench.submissions.hostile import Contents
from mmedit_bench.submissions.problems import Problem
from mmedit_bench.verification.acting import acting, identity_in
from mmedit_bench.verification.trusted import Trusted

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.scoring.checking import Checked


def asked_blind(
    run: Trusted,
    contents: Contents,
    order: Order,
    track: str,
    backbone: Backbone,
    secret: bytes,
    out: Path,
    isolation: Isolation,
    blinding: Blinding | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[Checked, Path, Path] | None, list[Problem]]:
    """Walk the whole run once more with blind probes, into a folder under `out`.

    An editor in a process of its own is asked through `blinding`. Returns the run, its folder and the
    file of its baseline. Raises `BenchError` for a suite that has no blind draws, and `WeightsChanged`
    if the editor alters the backbone.
    """
    spec, at = run.run.manifest.spec, f"runs/{run.run.folder}"
    suite = blind_suite(run.run.suite, secret)
    manifest = run.checked.state.manifest
    experiment = Experiment(
        suite=suite, split=spec.split, backbone=backbone, editor=identity_in(manifest),
        protocol=protocol_of(spec), editor_options=spec.editor_options,
        editor_source=manifest.source, evidence=spec.evidence, limit=spec.limit, seed=spec.seed,
    )  # fmt: skip
    found = measured(
        suite, spec.split, backbone, out / FOLDER,
        limit=spec.limit, kinds=spec.evidence, progress=progress,
    )  # fmt: skip
    plan = planned(experiment, found)
    if _edits(plan.schedule) != _edits(run.checked.schedule):
        text = "blind probes give its edits another order, so its values cannot be asked about"
        fix = "submit it in the track `code`, or a protocol whose order does not follow from probes"
        return None, [Problem("blind-order", at, text, fix)]
    log = out / f"{run.run.folder}.log"
    with acting(contents, run.run, order, track, plan.spec.fingerprint, isolation, log, blinding) as side:
        result = run_harness(experiment, out, found=found, side=side, progress=progress)
    try:
        checked = checked_run(result.folder, suite, out / FOLDER)
    except BadRecord as error:  # made by this side a moment ago
        raise BenchError(f"the blind run of {run.run.folder} does not hold together: {error}") from None
    return (checked, result.folder, path_of(out / FOLDER, plan.spec)), []


def _edits(schedule: tuple[Unit, ...]) -> list[tuple[str, int, str]]:
    return [
        (unit.id, index, step.request.id)
        for unit in schedule
        for index, step in enumerate(unit.steps)
        if isinstance(step, Apply)
    ]
