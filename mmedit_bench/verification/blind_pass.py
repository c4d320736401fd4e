"""The same edits, asked about by probes that nobody could know: drawn by a secret of the verifying side."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.harness.baseline import Progress, measured
from mmedit_bench.harness.plan import Experiment, planned
from mmedit_bench.harness.run import run as run_harness
from mmedit_bench.protocols.steps import Apply, Unit
from mmedit_bench.runs.baseline import FOLDER, path_of
from mmedit_bench.runs.files import read_regular
from mmedit_bench.scoring.checking import protocol_of
from mmedit_bench.scoring.score import checked_run
from mmedit_bench.submissions.hostile import Contents
from mmedit_bench.submissions.problems import Problem
from mmedit_bench.verification.acting import acting, identity_in
from mmedit_bench.verification.trusted import Trusted

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.datasets.suite import Suite
    from mmedit_bench.scoring.checking import Checked

LEAST_SECRET = 16
"""Bytes of a secret."""


def read_secret(path: Path) -> bytes:
    """The bytes that a file spells in hexadecimal digits. Raises `BenchError` for fewer than 16."""
    try:
        text = read_regular(path, 4096).decode("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        raise BenchError(f"{path} holds no secret; make one with `openssl rand -hex 16 > {path}`") from None
    if not re.fullmatch(f"([0-9a-fA-F]{{2}}){{{LEAST_SECRET},}}", text):
        raise BenchError(
            f"{path} holds no secret of at least {LEAST_SECRET} bytes in hexadecimal digits; "
            f"make one with `openssl rand -hex 16 > {path}`"
        )
    return bytes.fromhex(text)


def commitment_of(secret: bytes) -> str:
    """What can be published of a secret before it is: its sha256 (hex)."""
    return hashlib.sha256(secret).hexdigest()


def asked_blind(
    run: Trusted,
    contents: Contents,
    track: str,
    backbone: Backbone,
    secret: bytes,
    out: Path,
    isolation: Isolation,
    progress: Progress | None = None,
) -> tuple[tuple[Checked, Path, Path] | None, list[Problem]]:
    """Walk the whole run once more with blind probes, into a folder under `out`.

    Returns the run, its folder and the file of its baseline. Raises `BenchError` for a suite that has
    no blind draws, and `WeightsChanged` if the editor alters the backbone.
    """
    spec, at = run.run.manifest.spec, f"runs/{run.run.folder}"
    suite = _blind(run.run.suite, secret)
    experiment = Experiment(
        suite=suite, split=spec.split, backbone=backbone, editor=identity_in(run.run),
        protocol=protocol_of(spec), editor_options=spec.editor_options,
        editor_source=run.run.manifest.source, evidence=spec.evidence, limit=spec.limit, seed=spec.seed,
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
    with acting(contents, run.run, track, plan.spec.fingerprint, isolation, log) as side:
        result = run_harness(experiment, out, found=found, side=side, progress=progress)
    try:
        checked = checked_run(result.folder, suite, out / FOLDER)
    except BadRecord as error:  # made by this side a moment ago
        raise BenchError(f"the blind run of {run.run.folder} does not hold together: {error}") from None
    return (checked, result.folder, path_of(out / FOLDER, plan.spec)), []


def _blind(suite: Suite, secret: bytes) -> Suite:
    """The suite with probes drawn by the secret. Raises `BenchError` for one that cannot."""
    draw = getattr(suite, "blind", None)
    if draw is None:
        raise BenchError(
            f"suite {suite.name} has no blind draws; verify without --secret, or use a suite that has"
        )
    made: Suite = draw(secret)
    return made


def _edits(schedule: tuple[Unit, ...]) -> list[tuple[str, int, str]]:
    return [
        (unit.id, index, step.request.id)
        for unit in schedule
        for index, step in enumerate(unit.steps)
        if isinstance(step, Apply)
    ]
