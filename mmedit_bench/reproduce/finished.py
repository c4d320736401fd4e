"""Runs that were made elsewhere, found by what their manifests say; no backbone is loaded."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.parts import Parts
from mmedit_bench.execution.pool import Outcome
from mmedit_bench.plugins.registry import BACKBONES
from mmedit_bench.plugins.settings import OfBackbone, checked, options_of, stored
from mmedit_bench.protocols.steps import options_of as protocol_options_of
from mmedit_bench.reproduce.plan import Plan
from mmedit_bench.reproduce.plan_runs import Means, PlannedRun, order_for
from mmedit_bench.runs.folder import Manifest, read_run
from mmedit_bench.runs.provenance import code_digest, differing
from mmedit_bench.runs.spec import RunSpec, canonical

log = logging.getLogger(__name__)


def finished(plan: Plan, out: Path, means: Means) -> list[PlannedRun]:
    """All runs of a plan, in its order, as they lie below `out`; whatever machine made them.

    One that is not there, not complete, or made of other code, data or settings than are here, is among
    them with its error.
    """
    held, parts = list(_held(out)), Parts()
    return [
        PlannedRun(place, row, _outcome(order_for(plan, place, row, means), held, out, parts))
        for place, row in plan.runs()
    ]


def _held(out: Path) -> Iterator[tuple[Path, RunSpec]]:
    for path in sorted(out.glob("*/manifest.json")):
        try:
            yield path.parent, Manifest.read(path).spec
        except BadRecord as error:
            log.warning("%s", error)


def _outcome(order: Order, held: Sequence[tuple[Path, RunSpec]], out: Path, parts: Parts) -> Outcome:
    asked, here, settings = _asked(order), _here(order, parts), _settings(order)

    def strange(spec: RunSpec) -> list[str]:
        """What a run was made with that is not here."""
        return [
            *_differing(here, spec.as_dict()),
            *(f"setting {name}" for name in _differing(settings, spec.editor_settings)),
        ]

    named = [(folder, spec) for folder, spec in held if not _differing(asked, spec.as_dict())]
    fitting = [folder for folder, spec in named if not strange(spec)]
    if len(fitting) == 1:
        try:
            state = read_run(fitting[0])
        except BadRecord as damaged:
            return Outcome(order, None, 0, str(damaged), 0.0)
        if state.complete:
            return Outcome(order, fitting[0], state.failed, None, 0.0)
        error = f"{fitting[0]} is not complete; carry it on where it was begun"
    elif fitting:
        error = f"several runs fit, {', '.join(map(str, fitting))}: leave one of them"
    elif named:
        folder, spec = named[-1]
        error = f"{folder} was made with another {', '.join(strange(spec))} than is here; make it again"
    else:
        error = f"there is no such run in {out}"
    return Outcome(order, None, 0, error, 0.0)


def _differing(wanted: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    """Names under which another value is held than is wanted, as JSON spells them."""
    return [name for name, value in wanted.items() if canonical(held.get(name)) != canonical(value)]


def _asked(order: Order) -> dict[str, Any]:
    """What a row asks for, by the names that a run's spec has for it."""
    return {
        "suite": order.suite,
        "split": order.split,
        "backbone": order.backbone,
        "editor": order.editor,
        "editor_options": differing(Parts.editor(order), order.backbone, order.options),
        "protocol": order.protocol,
        "protocol_options": protocol_options_of(Parts.protocol(order)),
        "limit": order.limit,
        "seed": order.seed,
        "dtype": order.dtype,
        "device": order.device.partition(":")[0],
        "batch_size": order.batch_size,
    }


def _here(order: Order, parts: Parts) -> dict[str, Any]:
    """What code and data at hand say of it, likewise."""
    editor, protocol = Parts.editor(order), Parts.protocol(order)
    return _asking(order.backbone) | {
        "suite_digest": parts.suite(order.suite).digest,
        "editor_version": editor.version,
        "editor_code": code_digest(type(editor).__module__),
        "protocol_version": protocol.version,
        "walking_code": code_digest("mmedit_bench.harness.walk", type(protocol).__module__),
    }


def _asking(backbone: str) -> dict[str, str]:
    """The code that asks a backbone of this package; another's class is known once it is loaded, not here."""
    if not BACKBONES.entry(backbone).value.startswith("mmedit_bench."):
        return {}
    return {"asking_code": code_digest("mmedit_bench.harness.asking", "mmedit_bench.backbones.base")}


def _settings(order: Order) -> dict[str, Any]:
    """What the backbone's file and the row set, but for what the backbone's size has a say in.

    Defaults need no look: they are the editor's code.
    """
    editor = Parts.editor(order)
    kind = getattr(editor, "settings_type", None)
    if kind is None:
        return {}
    folder = getattr(editor, "settings_folder", None)
    values = stored(kind, folder, order.backbone) | checked(kind, order.options, order.editor)
    return {
        own.name: values[own.name]
        for own in options_of(kind)
        if own.name in values
        and not any(isinstance(bound, OfBackbone) for bound in (own.meaning.low, own.meaning.high))
    }
