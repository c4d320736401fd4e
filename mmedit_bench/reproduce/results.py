"""From the runs of a plan to one JSON document, from which everything else is written."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench import __version__
from mmedit_bench.errors import BadRecord
from mmedit_bench.protocols.steps import Apply
from mmedit_bench.reproduce import along, hard
from mmedit_bench.reproduce.plan import Place, Plan, PlanRow
from mmedit_bench.reproduce.plan_runs import PlannedRun
from mmedit_bench.reproduce.published import published, source
from mmedit_bench.reproduce.rows import FAMILIES
from mmedit_bench.runs.folder import Manifest, RunFolder
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.paired import paired
from mmedit_bench.scoring.pooling import pooled
from mmedit_bench.scoring.score import checked_run, score_run
from mmedit_bench.scoring.scores import Cells, RunScores

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

SCHEMA = 1
PLACES = 2
"""Decimals kept: far below any interval, and the same on every machine that agrees on the answers."""


def collect(
    plan: Plan, made: Sequence[PlannedRun], suites: Mapping[str, Suite], *, command: str, wall: float
) -> dict[str, Any]:
    """Score all runs and put them side by side. Runs that could not be made are named with the reason."""
    blocks = [
        _pooled_block(plan, places, [run for run in made if run.place in places], suites)
        if plan.form == "means"
        else _block(plan, places[0], made, suites)
        for places in plan.blocks
    ]
    specs = [Manifest.read(RunFolder(run.folder).manifest).spec for run in made if run.folder is not None]
    used = [{"torch": spec.torch, "transformers": spec.transformers} for spec in specs]
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
            **{name: ", ".join(dict.fromkeys(of[name] for of in used)) for name in ("torch", "transformers")},
        },
        "against": plan.against,
        **({"scale": plan.scale} if plan.scale else {}),
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
        for block in values["blocks"]:  # documents from before there were sequences
            block.setdefault("title", f"{block['suite']} on {block['backbone']}")
            block.setdefault("resampled", "edits")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(
            f"{path} cannot be read: {type(error).__name__}: {error}; reproduce it again"
        ) from None
    found: dict[str, Any] = values
    return found


def _block(
    plan: Plan, place: Place, made: Sequence[PlannedRun], suites: Mapping[str, Suite]
) -> dict[str, Any]:
    suite = suites[place.suite]
    own = [run for run in made if run.place == place]
    scored = {run.row.key: score_run(run.folder, suite) for run in own if run.folder is not None}
    runs = {run.row.key: checked_run(run.folder, suite) for run in own if run.folder is not None}
    alone = {run.row.key: run.folder for run in made if _same_but_alone(run.place, place)}
    base = runs.get(plan.against) if plan.against else None
    rows: list[dict[str, Any]] = []
    for run in own:
        key = run.row.key
        row = _described(plan, place, run.row)
        if key not in scored:
            rows.append(row | {"error": run.trouble})
            continue
        row |= _measured(scored[key]) | along.measured(scored[key], _numbers, _shares)
        row["label"] = run.row.label.format_map(scored[key].spec.editor_settings)
        if folder := alone.get(key):
            row["gap"] = along.gap(runs[key], checked_run(folder, suite), _numbers)
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
    return _headed(place, resampled=_resampled(runs.values())) | {
        "edits": some.counts.planned if some else 0,
        "backbone_digest": some.spec.backbone_digest if some else None,
        "suite_digest": suite.digest,
        "rows": rows,
        **({} if base is None else {"pairs": _pairs(runs, scored)}),
    }


def _pairs(runs: Mapping[str, Checked], scored: Mapping[str, RunScores]) -> dict[str, Any]:
    """By family, all pairs of the methods whose runs are complete, by both summaries."""
    methods = {key: run for key, run in runs.items() if scored[key].complete and not scored[key].control}
    return {family: hard.pairs(methods, family, _numbers) for family in FAMILIES}


def _pooled_block(
    plan: Plan, places: Sequence[Place], made: Sequence[PlannedRun], suites: Mapping[str, Suite]
) -> dict[str, Any]:
    """One row per editor: the mean over several places of what was measured at each, every place alike."""
    rows: list[dict[str, Any]] = []
    runs: dict[str, list[Checked]] = {}
    for row in plan.rows:
        own = [run for run in made if run.row == row]
        if not own:
            continue  # a row of other protocols
        described = _described(plan, places[0], row)
        if trouble := next((run for run in own if run.folder is None), None):
            rows.append(described | {"error": f"{trouble.place.title}: {trouble.trouble}"})
            continue
        folders = [(run.folder, suites[run.place.suite]) for run in own if run.folder is not None]
        runs[row.key] = [checked_run(folder, suite) for folder, suite in folders]
        scores = [score_run(folder, suite) for folder, suite in folders]
        # where a number in it differs between blocks, both
        label = " / ".join(dict.fromkeys(row.label.format_map(one.spec.editor_settings) for one in scores))
        rows.append(
            described
            | _joined([_measured(one) for one in scores])
            | {"label": label, "cells": _pooled_cells(runs[row.key])}
        )
    if plan.against in runs:
        base = runs[plan.against]
        for described in rows:
            if described["key"] in runs and described["key"] != plan.against:
                described["difference"] = _pooled_cells(runs[described["key"]], base)
    first = runs.get(plan.against or "") or next(iter(runs.values()), [])
    return _headed(
        places[0], title=plan.pools[places[0].published_table or ""], resampled=_resampled(first)
    ) | {
        "places": [place.title for place in places],
        "edits": max((row["edits"] for row in rows if "cells" in row), default=0),
        "rows": rows,
    }


def _headed(place: Place, *, resampled: str, title: str | None = None) -> dict[str, Any]:
    """What a block is."""
    return {
        "title": title or place.title,
        "backbone": place.backbone,
        "suite": place.suite,
        "protocol": place.protocol,
        "protocol_options": dict(place.protocol_options),
        "published_as": f"{place.published_backbone}, {place.published_task}",
        "resampled": resampled,
    }


def _same_but_alone(one: Place, other: Place) -> bool:
    """Whether `one` makes, one at a time, edits that `other` makes one after the other."""
    same = (one.backbone, one.suite) == (other.backbone, other.suite)
    return same and one.protocol == "one-step" and other.protocol != one.protocol


def _resampled(runs: Iterable[Checked]) -> str:
    """What intervals are taken over, in words."""
    several = any(
        sum(isinstance(step, Apply) for step in unit.steps) > 1 for run in runs for unit in run.schedule
    )
    return "sequences" if several else "edits"


def _joined(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several runs of one editor say of themselves, as one row says it."""
    known: dict[str, Any] = {
        name: None if any(row[name] is None for row in rows) else sum(row[name] for row in rows) / len(rows)
        for name in ("seconds_per_edit", "bytes_per_edit")
    }
    return known | {
        "fingerprints": [row["fingerprint"] for row in rows],
        "predictions": [row["predictions"] for row in rows],
        "version": rows[0]["version"],
        "control": rows[0]["control"],
        "complete": all(row["complete"] for row in rows),
        "edits": sum(row["edits"] for row in rows),
        "failed": sum(row["failed"] for row in rows),
        "peak_bytes": max((own for row in rows if (own := row["peak_bytes"])), default=None),
        "reasons": {
            family: {name: why for row in rows for name, why in row["reasons"][family].items()}
            for family in FAMILIES
        },
    }


def _pooled_cells(
    runs: Sequence[Checked], against: Sequence[Checked] | None = None
) -> dict[str, dict[str, Any]]:
    """By family and column the mean over runs; with `against`, of their differences edit by edit."""
    found: dict[str, dict[str, Any]] = {}
    for family in FAMILIES:
        estimates = pooled(runs, family, against)
        found[family] = {
            name: None if one is None else _numbers(one.value, one.low, one.high)
            for name, one in estimates.items()
        }
    return found


def _described(plan: Plan, place: Place, row: PlanRow) -> dict[str, Any]:
    beside = None
    if row.published:
        table = plan.published if place.published_table is None else place.published_table
        beside = published(table, place.published_backbone, place.published_task, row.published)
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
        "peak_bytes": None if cost.peak_bytes is None else round(cost.peak_bytes),
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


def _numbers(value: float, low: float | None, high: float | None, *, places: int = PLACES) -> dict[str, Any]:
    """The bounds are null where there are too few units for an interval."""
    return {
        name: None if number is None else round(number, places) + 0.0  # never -0
        for name, number in (("value", value), ("low", low), ("high", high))
    }


_shares = partial(_numbers, places=PLACES + 3)
"""Of what may be a share of 1, as precise as percentages are."""
