"""Two to four runs side by side: paired differences, edits won and lost, and the trade-off of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.site.compare_pairs import Pair, pairs_of, values_of
from leaderboard.site.details_block import Edits, heading
from leaderboard.site.details_data import editors_of
from leaderboard.site.details_reading import FORCED, Floats
from leaderboard.site.html import write_page
from leaderboard.site.lazy import write_data
from leaderboard.site.model import Row, Site
from mmedit_bench.scoring.cells import label_of
from mmedit_bench.scoring.families import HEADLINE_FAMILY, family_named
from mmedit_bench.scoring.groups import GROUPS, groups_of
from mmedit_bench.scoring.intervals import FEWEST
from mmedit_bench.scoring.tails import left_out

FAMILIES = (HEADLINE_FAMILY, FORCED)
AT_ONCE = 30
"""Runs of a block whose pairs are all computed ahead; of larger blocks the page computes those chosen."""
_SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PLACES = 4
"""Decimals of percentages in the files: far below any interval."""


def write_page_of(site: Site, out: Path) -> None:
    """compare.html, which finds what it compares by its address. Raises `Unusable`."""
    write_page(site.head, out, "compare.html", "compare.html.j2", blocks=site.blocks)


def write_block(site: Site, edits: Edits, out: Path) -> None:
    """A block's data files under `out`/data/compare. Raises `Unusable`."""
    name = f"compare/{edits.block.slug}"
    tables = {family: values_of(edits, family) for family in FAMILIES} if edits.columns else {}
    ahead = len(edits.keys) <= AT_ONCE
    write_data(out, f"{name}/index", _index(site, edits, ahead=ahead))
    for place, key in enumerate(edits.keys):
        own = {family: table for family, of in tables.items() if (table := of[place]) is not None}
        write_data(out, f"{name}/run-{key}", {family: _packed(table, edits) for family, table in own.items()})
    if ahead:
        found = {family: pairs_of(edits, of) for family, of in tables.items()}
        for place, key in enumerate(edits.keys):
            told = {family: _told(edits, place, pairs) for family, pairs in found.items()}
            write_data(out, f"{name}/pairs-{key}", told)


def _index(site: Site, edits: Edits, *, ahead: bool) -> dict[str, Any]:
    groups = groups_of(edits.columns)
    keys = (*edits.columns, *groups)
    clusters = {name: number for number, name in enumerate(dict.fromkeys(edits.clusters))}
    editors = editors_of(site, edits)
    for told, row, schedule in zip(editors, edits.block.rows, edits.schedules, strict=True):
        told |= {"schedule": schedule, **_numbers(row)}
    several = len({case for _, case in edits.rows}) < len(edits.rows)
    return {
        "block": edits.block.slug,
        "title": edits.block.title,
        "why": edits.data.why,
        "columns": [heading(key) for key in keys] if edits.columns else [],
        "groups": {
            name: {"parts": list(group.parts), "harmonic": group.harmonic} for name, group in groups.items()
        },
        "summary": edits.block.views[HEADLINE_FAMILY, False].summary,
        "families": [_described(name, keys) for name in FAMILIES],
        "editors": editors,
        "ids": [case for _, case in edits.rows],
        "units": [unit for unit, _ in edits.rows] if several else None,
        "clusters": None if len(clusters) == len(edits.rows) else [clusters[one] for one in edits.clusters],
        "fewest": FEWEST,
        # by number of clusters, from the fewest on: the share of resamples on either side of an interval
        "tails": [round(left_out(n) / 100, 7) for n in range(FEWEST, len(clusters) + 1)],
        "ahead": ahead,
    }


def _described(name: str, keys: Sequence[str]) -> dict[str, Any]:
    family = family_named(name)
    return {"name": name, "title": family.title, "labels": {key: label_of(family, key) for key in keys}}


def _numbers(row: Row) -> dict[str, Any]:
    """What the trade-off is drawn from, whatever is compared: by family the numbers of the board."""
    cells: dict[str, dict[str, list[float | None]]] = {}
    for family in FAMILIES:
        own = row.run.cells(family) if row.entry.shows(family) else None
        cells[family] = {
            key: [_rounded(cell.value), _rounded(cell.low), _rounded(cell.high)]
            for key in ("reliability/main", *GROUPS)
            if own and (cell := own.get(key)) is not None and cell.value is not None
        }
    cost = row.run.scores.cost
    return {"cells": cells, "seconds": cost.seconds, "bytes": cost.edit_bytes}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, PLACES)


def _packed(table: Floats, edits: Edits) -> dict[str, Any]:
    """By column an edit's values: a text of one sign per edit with the values that signs stand for."""
    found: dict[str, Any] = {}
    for place, name in enumerate(edits.columns):
        column = table[:, place]
        if np.isnan(column).all():
            continue
        rounded = np.round(100 * column, PLACES)
        known = np.unique(rounded[~np.isnan(rounded)])
        if len(known) > len(_SIGNS):
            found[name] = [None if np.isnan(one) else one for one in rounded.tolist()]
            continue
        signs = np.frombuffer(f"{_SIGNS}-".encode(), np.uint8)
        at = np.where(np.isnan(rounded), len(_SIGNS), np.searchsorted(known, rounded))
        found[name] = {"values": known.tolist(), "rows": signs[at].tobytes().decode()}
    return found


def _told(edits: Edits, first: int, pairs: Mapping[tuple[int, int], Pair]) -> dict[str, Any]:
    """The pairs in which a run comes first, by the other's key."""
    return {
        edits.keys[other]: {
            "edits": pair.edits,
            "clusters": pair.clusters,
            "columns": {
                name: [_rounded(span.value), _rounded(span.low), _rounded(span.high)]
                for name, span in pair.differences.items()
            },
        }
        for (own, other), pair in pairs.items()
        if own == first
    }
