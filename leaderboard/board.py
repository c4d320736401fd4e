"""What the page shows, as values: sections, views, rows, and the same numbers for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.commands import run_command
from leaderboard.edits import EditView, chosen, edit_view
from leaderboard.pictures import Picture, Pictures
from leaderboard.plot import Plot, plot_of
from leaderboard.runs import BoardRun
from mmedit_bench.rendering.table import Block, BlockKey, RunRow, blocks
from mmedit_bench.rendering.wording import MISSING, explained, number, seconds, size
from mmedit_bench.scoring.columns import HALF, Column
from mmedit_bench.scoring.families import Family, families
from mmedit_bench.scoring.groups import SUMMARIES
from mmedit_bench.scoring.scores import NOTHING_ASKED, Cell, Cells

TONES = 7
"""Colours of the palette. Further editors are drawn in the text's colour; all are labelled."""
SUMMARY_KEYS = ("reliability/main", "generality", "locality", "hard", "mean")


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell: its text, its exact value in words, and its bar in percent of the axis."""

    text: str
    exact: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class RowView:
    """One editor in one table."""

    row: RunRow
    tone: str
    cells: tuple[CellView, ...]
    seconds: str
    size: str
    by_sort: tuple[tuple[str, tuple[CellView, ...]], ...]
    """For each sort, the summary numbers."""


@dataclass(frozen=True, slots=True)
class View:
    """One table and its plot, by one scorer family."""

    family: Family
    block: Block
    columns: tuple[Column, ...]
    groups: tuple[tuple[str, int], ...]
    """Column groups and how many columns each spans."""
    summary: tuple[Column, ...]
    rows: tuple[RowView, ...]
    plot: Plot | None
    notes: tuple[str, ...]
    """Why numbers or intervals are missing."""


@dataclass(frozen=True, slots=True)
class Section:
    """Everything about one suite, backbone, protocol and split."""

    id: str
    key: BlockKey
    setting: str
    edited: str
    """How many edits, and how they were selected."""
    views: tuple[View, ...]
    runs: tuple[tuple[RunRow, str, str], ...]
    """Rows with tone and command, in the order of the first view; the edits' columns follow it."""
    edits: tuple[EditView, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The whole page."""

    sections: tuple[Section, ...]
    families: tuple[Family, ...]
    pictures: tuple[Picture, ...]
    data: Mapping[str, Any]
    """Exact numbers, embedded for the page's script and for anyone else's."""

    def values_of(self, name: str) -> tuple[str, ...]:
        """The distinct suites, backbones or settings, in order of appearance."""
        found = (
            section.setting if name == "setting" else getattr(section.key, name) for section in self.sections
        )
        return tuple(dict.fromkeys(found))


def board_of(runs: Sequence[BoardRun]) -> Board:
    """Arrange runs for the page, which opens on the block of the first of them.

    Raises `BenchError` for runs scored by different rules.
    """
    pictures = Pictures()
    by_mark = {run.fingerprint: run for run in runs}
    # A family that some run lacks the evidence of would leave rows out of a view without a word.
    shown = [
        family for family in families().values() if all(family.name in run.scores.families for run in runs)
    ]
    scores = [run.scores for run in runs]
    grouped = [sorted(blocks(scores, family.name), key=_is_not_of(runs[:1])) for family in shown]
    settings = _settings([block.key for block in grouped[0]])
    sections = tuple(
        _section(f"block-{place}", settings[place], views, by_mark, pictures)
        for place, views in enumerate(zip(*grouped, strict=True))
    )
    return Board(sections, tuple(shown), pictures.all(), _data(sections))


def _is_not_of(runs: Sequence[BoardRun]) -> Callable[[Block], bool]:
    """False, which sorts first, for the blocks of these runs."""
    marks = {run.fingerprint for run in runs}
    return lambda block: marks.isdisjoint(row.scores.spec.fingerprint for row in block.rows)


def _section(
    name: str, setting: str, found: Sequence[Block], by_mark: Mapping[str, BoardRun], pictures: Pictures
) -> Section:
    first = found[0]
    tones = _tones(first.rows)
    shown = [by_mark[row.scores.spec.fingerprint] for row in first.rows]
    return Section(
        id=name,
        key=first.key,
        setting=setting,
        edited=_edited(first.rows),
        views=tuple(_view(block, tones) for block in found),
        runs=tuple(
            (row, tones[row.scores.spec.fingerprint], run_command(row.scores.spec)) for row in first.rows
        ),
        edits=tuple(edit_view(case, shown, pictures) for case in chosen(shown)),
    )


def _view(block: Block, tones: Mapping[str, str]) -> View:
    columns = tuple(
        item for item in block.columns if ("/" in item.key and item.group != HALF) or item.key in SUMMARIES
    )
    counted = Counter(item.group for item in columns)
    summary = tuple(item for item in block.columns if item.key in SUMMARY_KEYS)
    rows = tuple(
        _row_view(row, tones[row.scores.spec.fingerprint], columns, summary, block) for row in block.rows
    )
    plot = plot_of(block.rows, [tones[row.scores.spec.fingerprint] for row in block.rows])
    notes = tuple(explained(block.reasons))
    return View(block.family, block, columns, tuple(counted.items()), summary, rows, plot, notes)


def _row_view(
    row: RunRow, tone: str, columns: Sequence[Column], summary: Sequence[Column], block: Block
) -> RowView:
    by_sort = row.scores.family(block.family.name).by_sort
    return RowView(
        row=row,
        tone=tone,
        cells=_cell_views(row.cells, columns),
        seconds=seconds(row.scores.cost.seconds),
        size=size(row.scores.cost.edit_bytes),
        by_sort=tuple((sort, _cell_views(cells, summary)) for sort, cells in by_sort.items()),
    )


def _cell_views(cells: Cells, columns: Iterable[Column]) -> tuple[CellView, ...]:
    return tuple(_cell_view(cells.get(item.key)) for item in columns)


def _cell_view(cell: Cell | None) -> CellView:
    if cell is None or cell.value is None:
        return CellView(MISSING, (cell and cell.reason) or NOTHING_ASKED, None, None, None)
    if cell.low is None or cell.high is None:
        interval = cell.reason or "no interval"
    else:
        interval = f"95 % interval {cell.low:.4g} to {cell.high:.4g}"
    exact = f"{cell.value:.4g} %, {interval}, n = {cell.n} probes of {cell.edits} edits, {cell.label}"
    return CellView(number(cell), exact, cell.value, cell.low, cell.high)


def _tones(rows: Sequence[RunRow]) -> dict[str, str]:
    """A colour for each editor, the same in every view of a section; controls have none."""
    names = sorted((row.name, row.scores.spec.fingerprint) for row in rows if not row.scores.control)
    tones = {mark: f"tone-{i + 1}" if i < TONES else "tone-plain" for i, (_, mark) in enumerate(names)}
    return {
        row.scores.spec.fingerprint: tones.get(row.scores.spec.fingerprint, "tone-control") for row in rows
    }


def _edited(rows: Sequence[RunRow]) -> str:
    counts = [row.scores.counts for row in rows]
    planned = " or ".join(str(value) for value in sorted({item.planned for item in counts}))
    considered, right = counts[0].considered, counts[0].already_right
    return (
        f"{planned} edits per editor. {considered} cases were considered; {right} that the unedited "
        "model already answers as wanted were left out."
    )


def _settings(keys: Sequence[BlockKey]) -> list[str]:
    """Protocol, split and limit in words; digests too where two blocks would read the same."""
    plain = [
        ", ".join(
            [
                " ".join([key.protocol, *key.options]),
                key.split,
                *([] if key.limit is None else [f"first {key.limit}"]),
            ]
        )
        for key in keys
    ]
    shared = Counter((key.suite, key.backbone, text) for key, text in zip(keys, plain, strict=True))
    return [
        text if shared[key.suite, key.backbone, text] == 1 else f"{text}, {_versions(key)}"
        for key, text in zip(keys, plain, strict=True)
    ]


def _versions(key: BlockKey) -> str:
    data, weights = key.suite_digest[:8], key.backbone_digest[:8]
    return f"data {data}, weights {weights}, protocol version {key.protocol_version}"


def _data(sections: Iterable[Section]) -> dict[str, Any]:
    fields = ("label", "value", "low", "high", "n", "edits", "reason")
    found = []
    for section in sections:
        key = section.key
        head = {"id": section.id, "suite": key.suite, "backbone": key.backbone, "setting": section.setting}
        rows = [
            {
                "editor": view.row.name,
                "fingerprint": view.row.scores.spec.fingerprint,
                "family": item.family.name,
                "scores": {
                    sort: {name: [getattr(cell, part) for part in fields] for name, cell in cells.items()}
                    for sort, cells in _sorts(view.row, item.family).items()
                },
            }
            for item in section.views
            for view in item.rows
        ]
        found.append(head | {"rows": rows})
    return {"fields": fields, "sections": found}


def _sorts(row: RunRow, family: Family) -> dict[str, Cells]:
    return {"all": row.cells, **row.scores.family(family.name).by_sort}
