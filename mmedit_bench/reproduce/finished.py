"""Runs that were made elsewhere, found by what their manifests say; no backbone is loaded."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.parts import Parts
from mmedit_bench.execution.pool import Outcome
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.plugins.settings import OfBackbone, options_of, settings_for
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
    held = list(_held(out))
    return [
        PlannedRun(place, row, _outcome(order_for(plan, place, row, means), held, out))
        for place, row in plan.runs()
    ]


def _held(out: Path) -> Iterator[tuple[Path, RunSpec]]:
    for path in sorted(out.glob("*/manifest.json")):
        try:
            yield path.parent, Manifest.read(path).spec
        except BadRecord as error:
            log.warning("%s", error)


def _outcome(order: Order, held: Sequence[tuple[Path, RunSpec]], out: Path) -> Outcome:
    asked, here = _asked(order), _here(order)
    named = [(folder, spec) for folder, spec in held if not _differs(asked, spec)]
    fitting = [(folder, spec) for folder, spec in named if not _differs(here, spec)]
    if len(fitting) == 1:
        folder, _ = fitting[0]
        state = read_run(folder)
        if state.complete:
            return Outcome(order, folder, state.failed, None, 0.0)
        return _missing(order, f"{folder} is not complete; carry it on where it was begun")
    if fitting:
        names = ", ".join(str(folder) for folder, _ in fitting)
        return _missing(order, f"several runs fit: {names}; leave one of them")
    if named:
        folder, spec = named[-1]
        what = ", ".join(_differs(here, spec))
        return _missing(order, f"{folder} was made with another {what} than is here; make it again")
    return _missing(order, f"there is no such run in {out}")


def _missing(order: Order, error: str) -> Outcome:
    return Outcome(order, None, 0, error, 0.0)


def _differs(wanted: Mapping[str, Any], spec: RunSpec) -> list[str]:
    """Fields in which a run is not what is wanted."""
    return [
        name
        for name, value in wanted.items()
        if canonical(_part(getattr(spec, name), value)) != canonical(value)
    ]


def _part(held: Any, wanted: Any) -> Any:
    """Of a mapping what is wanted of it: settings that a backbone's size decides are not known here."""
    if isinstance(held, Mapping) and isinstance(wanted, _Some):
        return {name: value for name, value in held.items() if name in wanted}
    return held


class _Some(dict[str, Any]):
    """Some of the entries of a mapping."""


def _asked(order: Order) -> dict[str, Any]:
    """What a row asks for."""
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


def _here(order: Order) -> dict[str, Any]:
    """What code, data and settings at hand say of it."""
    editor, protocol = Parts.editor(order), Parts.protocol(order)
    return {
        "suite_digest": SUITES.load(order.suite)().digest,
        "editor_version": editor.version,
        "editor_code": code_digest(type(editor).__module__),
        "editor_settings": _settings(order),
        "protocol_version": protocol.version,
        "walking_code": code_digest("mmedit_bench.harness.walk", type(protocol).__module__),
    }


def _settings(order: Order) -> _Some:
    """Settings by name of the backbone; without those that it has a say in."""
    editor = Parts.editor(order)
    kind = getattr(editor, "settings_type", None)
    if kind is None:
        return _Some()
    values = asdict(
        settings_for(kind, getattr(editor, "settings_folder", None), order.backbone, order.options)
    )
    free = [
        own.name
        for own in options_of(kind)
        if not isinstance(own.meaning.low, OfBackbone) and not isinstance(own.meaning.high, OfBackbone)
    ]
    return _Some({name: values[name] for name in free})
