"""From the runs of a plan to one JSON document, from which everything else is written."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench import __version__
from mmedit_bench.errors import BadRecord
from mmedit_bench.reproduce.plan_runs import PlannedRun
from mmedit_bench.reproduce.plans import Place, Plan, PlanRow
from mmedit_bench.reproduce.published import published, source
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
    plan: Plan, made: Sequence[PlannedRun], suites: Mapping[str, Suite], *, command: str, wall: float
) -> dict[str, Any]:
    """Score all runs and put them side by side. Runs that could not be made are named with the reason."""
    blocks = [
        _block(plan, place, [run for run in made if run.place == place], suites) for place in plan.places
    ]
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
    plan: Plan, place: Place, made: Sequence[PlannedRun], suites: Mapping[str, Suite]
) -> dict[str, Any]:
    suite = suites[place.suite]
    scored = {run.row.key: score_run(run.folder, suite) for run in made if run.folder is not None}
    runs = {run.row.key: checked_run(run.folder, suite) for run in made if run.folder is not None}
    base = runs.get(plan.against) if plan.against else None
    rows: list[dict[str, Any]] = []
    for run in made:
        key = run.row.key
        row = _described(plan, place, run.row)
        if key not in scored:
            rows.append(row | {"error": run.trouble})
            continue
        row |= _measured(scored[key])
        row["label"] = run.row.label.format_map(scored[key].spec.editor_settings)
        if base is not None and key != plan.against:
            row["difference"] = {
                family: {
                    column: None if e is None else _numbers(e.value, e.low, e.high)
                    for column, e in paired(runs[key], base, family).items()
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


def _described(plan: Plan, place: Place, row: PlanRow) -> dict[str, Any]:
    beside = None
    if row.published:
        beside = published(plan.published, place.published_backbone, place.published_task, row.published)
    return {
        "key": row.key,
        "label": row.label.format_map(defaultdict(lambda: "?", row.options)),
        "editor": row.editor,
        "options": dict(row.options),
        "curve": row.curve,
        "at": row.at,
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
