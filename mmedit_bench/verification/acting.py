"""Who edits when a run of a submission is walked again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mmedit_bench.backbones.placement import read_map
from mmedit_bench.errors import BenchError
from mmedit_bench.execution.blinding import Blinding
from mmedit_bench.execution.isolated import Isolated, Isolation
from mmedit_bench.execution.order import Order
from mmedit_bench.harness.editor_side import EditorSide
from mmedit_bench.harness.identity import EditorIdentity
from mmedit_bench.runs.folder import Manifest
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.submissions.checks_package import FOLDER
from mmedit_bench.submissions.checks_run import ExaminedRun
from mmedit_bench.submissions.hostile import Contents
from mmedit_bench.submissions.package import in_folder
from mmedit_bench.verification.barred import offered
from mmedit_bench.verification.shipped import Shipped


class OtherEditor(BenchError):
    """An editor that is not the one whose run was submitted."""


def order_of(spec: RunSpec, loading: Mapping[str, str] | None = None) -> Order:
    """The order that a run's spec came of, its backbone loaded as this side says."""
    given = loading or {}
    return Order(
        suite=spec.suite, backbone=spec.backbone, editor=spec.editor, protocol=spec.protocol,
        protocol_options=spec.protocol_options, split=spec.split, options=spec.editor_options,
        limit=spec.limit, seed=spec.seed, device=_rest(spec.device, given.get("device_map")),
        dtype=spec.dtype, batch_size=spec.batch_size, threads=max(1, spec.threads),
        evidence=spec.evidence, loading=given,
    )  # fmt: skip


def _rest(device: str, device_map: str | None) -> str:
    """Where what a map does not place goes: of the kinds of devices of a run, the one that it leaves out."""
    kinds = device.split("+")
    if device_map is None:
        return kinds[0]
    named = {place.partition(":")[0] for place in (read_map(device_map) or {}).values()}
    return ([kind for kind in kinds if kind not in named] or kinds)[-1]


def identity_in(manifest: Manifest) -> EditorIdentity:
    """The editor as a run's manifest tells of it: of edits that are shipped, nothing else is known."""
    spec = manifest.spec
    return EditorIdentity(
        name=spec.editor, version=spec.editor_version, settings=spec.editor_settings,
        options=spec.editor_options, code=spec.editor_code, artefact=spec.artefact,
        control=manifest.control, source=manifest.source,
    )  # fmt: skip


@contextmanager
def acting(
    contents: Contents,
    run: ExaminedRun,
    order: Order,
    track: str,
    fingerprint: str,
    isolation: Isolation,
    log: Path,
    blinding: Blinding | None = None,
) -> Iterator[EditorSide]:
    """The editor's side: the shipped values, or the editor in a process of its own.

    `order` is what the run came of, and `fingerprint` that of the run that is walked; with `blinding`,
    what a process is asked is mixed with what does not count. Raises `OtherEditor` where the package is
    not that of the run, `NotReady` where its process cannot be used, and `BenchError` where this side
    cannot start one.
    """
    if track == "edits":
        yield Shipped(contents, run, fingerprint)
        return
    spec, sources = run.manifest.spec, contents.root / FOLDER
    with ExitStack() as during:
        if sources.is_dir():
            package = in_folder(sources, spec.editor)
            during.enter_context(offered(package, log.parent / "offered"))
        side = during.enter_context(Isolated(order, isolation, log, blinding=blinding))
        ours, theirs = _told(side.identity), _told(identity_in(run.manifest))
        if strange := [name for name, value in ours.items() if theirs[name] != value]:
            raise OtherEditor(f"its package differs from the editor that was run in {', '.join(strange)}")
        yield side


def _told(identity: EditorIdentity) -> dict[str, Any]:
    """What a process and a manifest must say alike; a control has no rank, and is not one at will."""
    return {**identity.in_spec(), "control": identity.control}
