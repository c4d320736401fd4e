"""Releases: the board's numbers on a day, frozen in its folder, and their pages.

What a release says is written once, into <board>/releases/<name>/, and never again. Its pages are made
from these files alone, so they say the same in every later build.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leaderboard.site.cells import CellView, cell_view
from leaderboard.site.data import FIELDS, SCHEMA, board_json, csv_lines, dumped
from leaderboard.site.entries import Head
from leaderboard.site.exports import bibtex
from leaderboard.site.html import write_bytes, write_page, write_text
from leaderboard.site.model import Block, Site
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.rendering.grid import csv_of
from mmedit_bench.runs.files import MOST_BYTES, make_folder, parsed, read_regular, write_whole
from mmedit_bench.scoring.columns import SHOWN, Column, column
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.scores import Cell

INDEX = "index.json"
FILES = (INDEX, "board.csv", "board.json")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


@dataclass(frozen=True, slots=True)
class FrozenRow:
    """One row of a released table."""

    name: str
    track: str
    rank: str
    status: str
    cells: tuple[CellView, ...]
    control: bool


@dataclass(frozen=True, slots=True)
class FrozenBlock:
    """One released table."""

    slug: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[FrozenRow, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """A release as its folder tells it."""

    folder: Path
    name: str
    date: str
    rows: int
    blocks: tuple[FrozenBlock, ...]


def named(site: Site, name: str, date: str) -> Site:
    """The site as that of a release. Raises `BenchError` for a name or a day that is none."""
    if not NAME.fullmatch(name):
        raise BenchError(f"a release cannot be called {name!r}; use up to 40 letters, digits and . _ -")
    if not DAY.fullmatch(date):
        raise BenchError(f"{date!r} is no day; write it as YYYY-MM-DD")
    return replace(site, head=replace(site.head, release=name, date=date))


def freeze(site: Site) -> Path:
    """Write the release that the site's head names into the board's folder, and return its folder.

    A release that is there with the same bytes is left alone. Raises `BenchError` for one that says
    something else: it is never written again.
    """
    name = site.head.release
    assert name is not None
    folder = site.board / "releases" / name
    lines = [line for block in site.blocks for line in csv_lines(site, block)]
    files = {
        INDEX: dumped(_index(site)).encode(),
        "board.csv": csv_of(FIELDS, lines).encode(),
        "board.json": dumped(board_json(site)).encode(),
    }
    present = [path for path in FILES if (folder / path).exists()]
    for path in present:
        if read_regular(folder / path, MOST_BYTES) != files[path]:
            raise BenchError(
                f"{folder / path} is there and says something else; a release is never written again: "
                "choose another name"
            )
    if len(present) < len(FILES):
        make_folder(folder)
        for path in FILES:
            write_whole(folder / path, files[path])
    return folder


def _index(site: Site) -> dict[str, Any]:
    head = site.head
    return {
        "schema": SCHEMA, "name": head.release, "date": head.date, "title": head.title, "url": head.url,
        "blocks": [_block(site, block) for block in site.blocks],
    }  # fmt: skip


def _block(site: Site, block: Block) -> dict[str, Any]:
    view = block.views[HEADLINE_FAMILY, False]
    keys = [item.key for item in view.columns if item.key in SHOWN]
    rows = []
    for one in view.rows:
        cells = [one.cells.get(key) for key in keys]
        rows.append(
            {
                "name": one.row.name, "id": one.row.entry.id, "track": one.row.entry.badge,
                "fingerprint": one.row.run.fingerprint, "rank": str(one.rank or ""),
                "status": ", ".join(one.row.status), "apart": one.row.entry.apart,
                "control": one.row.run.scores.control,
                "cells": [cell and [cell.value, cell.low, cell.high, cell.n, cell.edits] for cell in cells],
            }
        )  # fmt: skip
    return {"block": block.slug, "title": block.title, "columns": keys, "rows": rows}


def read_releases(board: Path) -> list[Release]:
    """All releases of a board, the newest first. Raises `BadRecord` naming a file that is none."""
    folder = board / "releases"
    if not folder.is_dir():
        return []
    found = [
        _read(path) for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")
    ]
    return sorted(found, key=lambda one: (one.date, one.name), reverse=True)


def _read(folder: Path) -> Release:
    path = folder / INDEX
    try:
        values = parsed(read_regular(path))
        if values["schema"] != SCHEMA or values["name"] != folder.name or not DAY.fullmatch(values["date"]):
            raise BadRecord("schema, name or date are not as they were frozen")
        blocks = tuple(
            FrozenBlock(
                block["block"],
                block["title"],
                tuple(map(column, block["columns"])),
                tuple(map(_row, block["rows"])),
            )
            for block in values["blocks"]
        )
    except FileNotFoundError:
        raise BadRecord(f"{path} is not there; bring it back from the board's history") from None
    except (BadRecord, KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadRecord(f"{path} cannot be read: {error}; bring it back from the board's history") from None
    return Release(folder, folder.name, values["date"], sum(len(block.rows) for block in blocks), blocks)


def _row(values: dict[str, Any]) -> FrozenRow:
    return FrozenRow(
        name=str(values["name"]),
        track=str(values["track"]),
        rank=str(values["rank"]),
        status=str(values["status"]),
        cells=tuple(cell_view(None if own is None else _cell(own)) for own in values["cells"]),
        control=bool(values["control"]),
    )


def _cell(values: list[Any]) -> Cell:
    value, low, high, n, edits = values
    return Cell(value, low, high, n, edits, "")


def write(site: Site, out: Path) -> None:
    """Write releases/index.html and a folder for each release."""
    found = read_releases(site.board)
    for release in found:
        place = out / "releases" / release.name
        for name in FILES:
            write_bytes(place / name, read_regular(release.folder / name, MOST_BYTES))
        head = _head(release)
        write_text(place / "board.bib", bibtex(head))
        write_page(head, out, f"releases/{release.name}/index.html", "release.html.j2", release=release)
    write_page(site.head, out, "releases/index.html", "releases.html.j2", releases=found)


def _head(release: Release) -> Head:
    """What the frozen files say of the board: a later title must not change an older page."""
    values = json.loads(read_regular(release.folder / INDEX))
    url = values["url"]
    return Head(str(values["title"]), None if url is None else str(url), "", release.name, release.date)
