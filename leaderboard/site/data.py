"""The numbers behind the pages as files: JSON, CSV, and scripts for pages that are opened from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from leaderboard.site.cells import COSTS
from leaderboard.site.html import write_text
from leaderboard.site.model import Block, Entry, Row, Site
from leaderboard.site.views import View, ViewRow
from mmedit_bench.rendering.escaping import cell as harmless
from mmedit_bench.rendering.grid import csv_of
from mmedit_bench.rendering.long_csv import long_csv
from mmedit_bench.scoring.scores import Cell

SCHEMA = 1
DIGITS = 4
"""Decimals of a number in the scripts that pages load; the JSON and the CSV beside them are exact."""
SWITCH = {False: "in", True: "out"}
"""How the switch between failed edits counted in and left out is spelt."""

FIELDS = (
    "release", "block", "suite", "backbone", "protocol", "protocol_options", "split", "limit", "probes",
    "rank_best", "rank_worst", "name", "id", "track", "status", "method_family", "editor", "version",
    "control", "fingerprint", "complete", "done", "planned", "failed", "scorer", "failed_edits", "column",
    "label", "unit", "value", "low", "high", "n", "edits", "reason", "seconds_per_edit", "bytes_per_edit",
    "preparation_seconds", "parameters_per_edit", "answer_overhead", "peak_bytes",
)  # fmt: skip
"""Columns of board.csv and of every block's CSV: one line for each number."""


def write(site: Site, out: Path) -> None:
    """Write data/: the board, every block, every entry and every run."""
    folder = out / "data"
    lines: list[tuple[object, ...]] = []
    for block in site.blocks:
        own = list(csv_lines(site, block))
        lines += own
        write_text(folder / f"{block.slug}.csv", csv_of(FIELDS, own))
        write_text(folder / f"{block.slug}.json", dumped(payload(site, block)))
        write_script(folder / f"{block.slug}.js", block.slug, payload(site, block, DIGITS))
    write_text(folder / "board.csv", csv_of(FIELDS, lines))
    write_text(folder / "board.json", dumped(board_json(site)))
    for entry in site.entries:
        write_text(folder / "editors" / f"{entry.id}.json", dumped(entry_json(site, entry)))
        own = [line for line in lines if line[FIELDS.index("id")] == entry.id]
        write_text(folder / "editors" / f"{entry.id}.csv", csv_of(FIELDS, own))
        for run in entry.runs:
            for family in run.scores.families:
                if entry.shows(family):
                    place = folder / "runs" / site.page(run)
                    write_text(place / f"{family}.csv", long_csv([run.scores], family))


def dumped(values: object) -> str:
    """A JSON document; the same bytes for the same values."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=1) + "\n"


def write_script(path: Path, name: str, values: object) -> None:
    """A script that hands `values` to whoever waits for the data called `name`.

    Neither a line separator nor the end of a script can stand in it.
    """
    text = json.dumps(values, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    write_text(path, f"mmeditData({json.dumps(name)},{text.replace('<', chr(92) + 'u003c')});\n")


def key_json(block: Block) -> dict[str, Any]:
    """What a block's runs have in common."""
    return {"block": block.slug, "setting": block.key.setting, **block.key._asdict()}


def payload(site: Site, block: Block, digits: int | None = None) -> dict[str, Any]:
    """One block: its views, and its rows with their scores in each; rounded if `digits` says so."""
    ranks = {(name, out, id(one.row)): one for (name, out), view in block.views.items() for one in view.rows}
    keys = {item.key: item for view in block.views.values() for item in view.columns}
    return {
        "schema": SCHEMA,
        **key_json(block),
        "columns": [
            {"key": key, "group": item.group, "title": item.title, "about": item.about}
            for key, item in keys.items()
        ],
        "cell": ["value", "low", "high", "n", "edits"],
        "views": {
            name: {SWITCH[out]: _view(block.views[name, out]) for out in (False, True)}
            for name in block.families
        },
        "rows": [_row(site, row, block, ranks, digits) for row in block.rows],
    }


def _view(view: View) -> dict[str, Any]:
    return {
        "title": view.family.title,
        "change": view.family.change,
        "keep": view.family.keep,
        "summary": view.summary,
        "by": view.by,
        "ranked_by": view.ranked_by,
        "stability": None if view.stability is None else asdict(view.stability),
    }


def _row(
    site: Site, row: Row, block: Block, found: Mapping[tuple[str, bool, int], ViewRow], digits: int | None
) -> dict[str, Any]:
    run, entry = row.run, row.entry
    counts = run.scores.counts
    scores: dict[str, Any] = {}
    for name in block.families:
        one, other = (found.get((name, out, id(row))) for out in (False, True))
        if one is not None and other is not None:
            scores[name] = {
                "in": _scores(one, digits),
                # nothing failed: the same numbers, and a place of its own all the same
                "out": _scores(other, digits) if counts.failed else {"rank": _rank(other)},
            }
    return {
        "name": row.name,
        "id": entry.id,
        "page": site.page(run),
        "fingerprint": run.fingerprint,
        "track": entry.badge,
        "status": entry.status,
        "family": entry.submission.family,
        "editor": run.spec.editor,
        "control": run.scores.control,
        "apart": entry.apart,
        "complete": run.scores.complete,
        "other_baseline": row.other_baseline,
        "done": counts.done,
        "planned": counts.planned,
        "failed": counts.failed,
        "cost": {item.key: _number(getattr(run.scores.cost, item.key), digits and 6) for item in COSTS},
        "scores": scores,
    }


def _scores(one: ViewRow, digits: int | None) -> dict[str, Any]:
    return {
        "rank": _rank(one),
        "cells": {
            key: [*(_number(part, digits) for part in (cell.value, cell.low, cell.high)), cell.n, cell.edits]
            for key, cell in one.cells.items()
        },
    }


def _rank(one: ViewRow) -> list[int] | None:
    return None if one.rank is None else list(one.rank)


def _number(value: float | None, digits: int | None) -> float | None:
    if value is None or digits is None:
        return value
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def board_json(site: Site) -> dict[str, Any]:
    """What there is on the board, and the headline of every row."""
    return {
        "schema": SCHEMA,
        "title": site.head.title,
        "description": site.head.description,
        "url": site.head.url,
        "release": site.head.release,
        "date": site.head.date,
        "blocks": [payload(site, block) for block in site.blocks],
        "entries": [entry_json(site, entry) for entry in site.entries],
    }


def entry_json(site: Site, entry: Entry) -> dict[str, Any]:
    """An entry's form, how it was verified, and its runs."""
    return {
        "schema": SCHEMA,
        "submission": asdict(entry.submission),
        "status": entry.status,
        "verified": entry.verified,
        "by": entry.by,
        "digest": entry.digest,
        "runs": [
            {
                "page": site.page(run),
                "fingerprint": run.fingerprint,
                "suite": run.suite,
                "backbone": run.spec.backbone,
                "protocol": run.spec.protocol,
                "probes": run.probes,
                "sample": None if run.sample is None else asdict(run.sample),
                "commitment": run.commitment,
                "complete": run.scores.complete,
                "counts": asdict(run.scores.counts),
                "cost": asdict(run.scores.cost),
            }
            for run in entry.runs
        ],
    }


def csv_lines(site: Site, block: Block) -> Iterator[tuple[object, ...]]:
    """One line for each number of a block, in every view; no text in it is a formula."""
    key = block.key
    for (_, out), view in block.views.items():
        for one in view.rows:
            entry, run = one.row.entry, one.row.run
            counts, cost = run.scores.counts, run.scores.cost
            head = (
                site.head.release, block.slug, key.suite, key.backbone, key.protocol, key.options, key.split,
                key.limit, key.probes, *(one.rank or (None, None)), one.row.name, entry.id, entry.badge,
                entry.status, entry.submission.family, run.spec.editor, run.spec.editor_version,
                int(run.scores.control), run.fingerprint, int(run.scores.complete), counts.done,
                counts.planned, counts.failed, view.family.name, SWITCH[out],
            )  # fmt: skip
            costs = tuple(getattr(cost, item.key) for item in COSTS)  # as FIELDS has them
            safe = tuple(map(harmless, head))
            for column, cell in one.cells.items():
                yield (*safe, *map(harmless, _cell(column, cell)), *costs)


def _cell(column: str, cell: Cell) -> tuple[object, ...]:
    numbers = (cell.value, cell.low, cell.high, cell.n, cell.edits)
    return column, cell.label, cell.unit, *numbers, cell.reason
