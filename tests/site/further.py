"""Further runs of a synthetic board's entries, made unlike those that it has."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from leaderboard.site.entries import baseline_of
from mmedit_bench.runs.baseline import Baseline, BaseProbe
from mmedit_bench.runs.folder import Manifest
from tests.site.synthetic import (
    BACKBONES,
    SUITE,
    _baseline,
    _write_run,
    _write_sequences,
    suite_of,
)
from tests.site.synthetic_parts import Made, write_gz


def add_run(
    board: Path, made: Made, *, sequential: bool = False, drift: float = 0.0, secret: str | None = None,
    **changes: Any,
) -> str:  # fmt: skip
    """Give the entry of `made` one more run; `changes` are of its spec. Returns its fingerprint.

    The run is public, or blind with `secret` named as what drew its probes. By `drift` its unedited
    backbone holds every reference less likely than that of the others.
    """
    folder = board / "entries" / made.id
    if sequential:
        told = _write_sequences(folder / "runs", made, **changes)
    else:
        name = SUITE if secret is None else f"{SUITE}-blind"
        told = _write_run(folder / "runs", made, name, BACKBONES[0], **changes)
    if secret is not None:
        told["commitment"] = hashlib.sha256(secret.encode()).hexdigest()
    _measured_against(board, folder / "runs" / told["folder"], made.edits, drift)
    if made.track == "self-reported":
        told["sample"] = None
    path = folder / "verification.json"
    values = json.loads(path.read_text())
    values["runs"].append(told)
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
    return str(told["fingerprint"])


def _measured_against(board: Path, run: Path, edits: int, drift: float) -> None:
    """Write the baseline that a run's spec wants, and name it in the run's files."""
    manifest = Manifest.read(run / "manifest.json")
    suite = suite_of(manifest.spec.suite, edits)
    plain = _baseline(suite)
    ids = [case.id for case in suite.cases("evaluation")]

    def other(probe: BaseProbe) -> BaseProbe:
        logprobs = tuple(round(one - drift, 5) for one in probe.reading.logprobs or ())
        return replace(probe, reading=replace(probe.reading, logprobs=logprobs, kl=(0.0,) * len(logprobs)))

    probes = {case: tuple(map(other, own)) for case, own in plain.probes.items()}
    made = Baseline(manifest.spec.evidence, plain.answers, probes)
    path = baseline_of(board, manifest.spec)
    if not path.exists():
        write_gz(path, made.lines(ids, ids))
    digest = made.digest(ids, ids)
    (run / "manifest.json").write_text(replace(manifest, baseline=digest).text())
    scores = (run / "scores.json").read_text()
    (run / "scores.json").write_text(scores.replace(manifest.baseline, digest))
