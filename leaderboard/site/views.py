"""One table of a block: its rows by one scorer family, failed edits counted in or left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaderboard.site.stability import Stability, stability_of
from mmedit_bench.rendering.table import ranks as by_intervals
from mmedit_bench.scoring.columns import HALF, Column, column, in_order
from mmedit_bench.scoring.families import Family, family_named
from mmedit_bench.scoring.groups import GROUPS, summary_of
from mmedit_bench.scoring.places import places
from mmedit_bench.scoring.ranks import Rank
from mmedit_bench.scoring.scores import Cell, Cells

if TYPE_CHECKING:
    from leaderboard.site.model import Row

PAIRED = "paired"
"""Ranks come from tests of differences edit by edit."""
INTERVALS = "intervals"
"""Ranks come from intervals that do not meet: the runs did not make the same edits, or did not
answer the same probes."""


@dataclass(frozen=True, slots=True)
class ViewRow:
    """One run with its numbers."""

    row: Row
    cells: Cells
    """Empty where they could not be computed."""
    rank: Rank | None
    """None for whoever competes with nobody (`Row.beside`), and for summaries without an interval."""


@dataclass(frozen=True, slots=True)
class View:
    """One table."""

    family: Family
    left_out: bool
    """Whether failed edits are left out rather than counted in."""
    rows: tuple[ViewRow, ...]
    """Ranked first, then partial runs, those against another baseline, controls, and what is shown apart;
    the best first."""
    columns: tuple[Column, ...]
    summary: str
    """The column or group that rows are ordered and ranked by."""
    ranked_by: str
    stability: Stability | None
    """None with fewer than two ranked rows, or where they cannot be paired."""

    @property
    def by(self) -> str:
        """The summary that rows are ranked by, in words."""
        return column(self.summary).title


def views_of(rows: Sequence[Row]) -> dict[tuple[str, bool], View]:
    """All views of a block's rows, by family and whether failed edits are left out."""
    names = {name: None for row in rows for name in row.run.scores.families if row.entry.shows(name)}
    return {(name, out): _view(rows, name, out) for name in names for out in (False, True)}


def _view(rows: Sequence[Row], family: str, left_out: bool) -> View:
    shown = [row for row in rows if row.entry.shows(family) and row.run.cells(family) is not None]
    cells = [row.run.cells(family, left_out=left_out) or {} for row in shown]
    summary = summary_of([key for key, cell in own.items() if cell.value is not None] for own in cells)
    group = GROUPS[summary]
    ranked = [
        (row, own) for row, own in zip(shown, cells, strict=True) if _takes_a_place(row, own.get(summary))
    ]
    parts = [row.run.parts.get((family, left_out)) for row, _ in ranked]
    paired = [own for own in parts if own is not None and summary in own.values]
    alike = {(row.run.against, own.clusters, own.made) for (row, _), own in zip(ranked, paired, strict=False)}
    found: list[Rank]
    if len(paired) == len(ranked) and len(alike) <= 1:
        by_place = places({str(number): own.values[summary] for number, own in enumerate(paired)}, group)
        found, way = list(by_place.values()), PAIRED
    else:
        found, way = by_intervals([own[summary] for _, own in ranked]), INTERVALS
    rank_of = {id(row): rank for (row, _), rank in zip(ranked, found, strict=True)}
    made = [ViewRow(row, own, rank_of.get(id(row))) for row, own in zip(shown, cells, strict=True)]
    made.sort(key=lambda one: _order(one, summary))
    keys = in_order(key for one in made for key in one.cells)
    columns = tuple(item for item in map(column, keys) if item.group != HALF)
    stability = None
    if way == PAIRED and len(paired) > 1:
        values = [own.values[summary] for own in paired]
        values.sort(key=lambda own: -float(group.of(list(own.sum(axis=1)[:, None]))[0]))
        stability = stability_of(values, group, paired[0].edits)
    return View(family_named(family), left_out, tuple(made), columns, summary, way, stability)


def _takes_a_place(row: Row, summary: Cell | None) -> bool:
    return row.beside is None and summary is not None and summary.half_width is not None


def _order(one: ViewRow, summary: str) -> tuple[object, ...]:
    scores = one.row.run.scores
    cell = one.cells.get(summary)
    value = -1.0 if cell is None or cell.value is None else cell.value
    aside = one.row.entry.apart, scores.control, one.row.other_baseline, not scores.complete
    return *aside, -value, one.row.name


def groups(columns: Sequence[Column]) -> Mapping[str, int]:
    """Column groups in order, and how many columns each spans."""
    found: dict[str, int] = {}
    for item in columns:
        found[item.group] = found.get(item.group, 0) + 1
    return found
