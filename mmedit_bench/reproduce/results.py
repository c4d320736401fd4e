"""From the runs of a plan to one JSON document, from which everything else is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench import __version__
from mmedit_bench.errors import BadRecord
from mmedit_bench.reproduce.plans import Entry, Place, Plan
from mmedit_bench.reproduce.published import published, source
from mmedit_bench.reproduce.work import Outcome
from mmedit_bench.runs.provenance import library_version
from mmedit_bench.scoring.paired import paired
from mmedit_bench.scoring.score import checked_run, score_run
from mmedit_bench.scoring.scores import Cells, RunScores

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

SCHEMA = 1
FAMILIES = ("generation", "teacher_forced_token")
"""The headline, and the measurement that the paper's numbers are of."""
PLACES = 2
"""Decimals kept: far below any interval, and the same on every machine that agrees on the answers."""


def collect(
    plan: Plan, outcomes: Sequence[Outcome], suites: Mapping[str, Suite], *, command: str, wall: float
) -> dict[str, Any]:
    """Score all runs and put them side by side. Runs that could not be made are named with the reason."""
    blocks = [_block(plan, place, [o for o in outcomes if o.place == place], suites) for place in plan.places]
    return {
        "schema": SCHEMA,
        "target": plan.target,
        "form": plan.form,
        "axis": plan.axis,
        "title": plan.title,
        "command": command,
        "split": plan.split,
        "limit": plan.limit,
        "published": {"source": source(), "table": plan.published} if plan.published else None,
        "wall_seconds": round(wall),
        "versions": {
            "mmedit-bench": __version__,
            **{name: library_version(name) for name in ("torch", "transformers")},
        },
        "against": plan.against,
        "blocks": blocks,
    }


def text_of(results: Mapping[str, Any]) -> str:
    """The document as it is written."""
    return json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> dict[str, Any]:
    """The inverse of `text_of`. Raises `BadRecord` naming the file."""
    try:
        values = json.loads(path.read_bytes())
        if values["schema"] != SCHEMA:
            raise BadRecord(f"{path} was written by another version of mmedit-bench; reproduce it again")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRecord(f"{path} cannot be read: {type(error).__name__}: {error}") from None
    found: dict[str, Any] = values
    return found


def _block(
    plan: Plan, place: Place, outcomes: Sequence[Outcome], suites: Mapping[str, Suite]
) -> dict[str, Any]:
    suite = suites[place.suite]
    scored = {o.entry.key: score_run(o.folder, suite) for o in outcomes if o.folder is not None}
    runs = {o.entry.key: checked_run(o.folder, suite) for o in outcomes if o.folder is not None}
    base = runs.get(plan.against) if plan.against else None
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        entry = outcome.entry
        row = _described(plan, place, entry)
        if entry.key not in scored:
            rows.append(row | {"error": outcome.error})
            continue
        scores = scored[entry.key]
        row |= _measured(scores)
        if base is not None and entry.key != plan.against:
            row["difference"] = {
                family: {
                    column: None if e is None else _numbers(e.value, e.low, e.high)
                    for column, e in paired(runs[entry.key], base, family).items()
                }
                for family in FAMILIES
            }
        rows.append(row)
    some = next(iter(scored.values()), None)
    return {
        "backbone": place.backbone,
        "suite": place.suite,
        "published_as": f"{place.published_backbone}, {place.published_task}",
        "edits": some.counts.planned if some else 0,
        "backbone_digest": some.spec.backbone_digest if some else None,
        "suite_digest": suite.digest,
        "rows": rows,
    }


def _described(plan: Plan, place: Place, entry: Entry) -> dict[str, Any]:
    beside = None
    if entry.published:
        beside = published(plan.published, place.published_backbone, place.published_task, entry.published)
    return {
        "key": entry.key,
        "label": entry.label,
        "editor": entry.editor,
        "options": dict(entry.options),
        "curve": entry.curve,
        "at": entry.at,
        "published": beside,
    }


def _measured(scores: RunScores) -> dict[str, Any]:
    cost = scores.cost
    return {
        "fingerprint": scores.spec.fingerprint,
        "predictions": scores.predictions,
        "version": scores.spec.editor_version,
        "control": scores.control,
        "complete": scores.complete,
        "edits": scores.counts.done,
        "failed": scores.counts.failed,
        "seconds_per_edit": None if cost.seconds is None else round(cost.seconds, 3),
        "bytes_per_edit": None if cost.edit_bytes is None else round(cost.edit_bytes),
        "cells": {family: _cells(scores.family(family).overall) for family in FAMILIES},
        "reasons": {
            family: {name: cell.reason for name, cell in scores.family(family).overall.items() if cell.reason}
            for family in FAMILIES
        },
    }


def _cells(cells: Cells) -> dict[str, Any]:
    return {
        name: None
        if cell.value is None
        else _numbers(cell.value, cell.low, cell.high) | {"edits": cell.edits}
        for name, cell in cells.items()
    }


def _numbers(value: float, low: float | None, high: float | None) -> dict[str, Any]:
    """The bounds are null where there are too few units for an interval."""
    bounds = {
        name: None if bound is None else round(bound, PLACES)
        for name, bound in (("low", low), ("high", high))
    }
    return {"value": round(value, PLACES), **bounds}
