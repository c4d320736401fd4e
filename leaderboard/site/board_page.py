"""The first page: one block as a table of plain HTML; the script loads the others when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.site.cells import COSTS, CellView, CostColumn, CostView, cell_view, cost_view
from leaderboard.site.html import write_page
from leaderboard.site.model import Block, Site
from leaderboard.site.views import View, ViewRow, groups
from mmedit_bench.scoring.columns import HEADLINE, SUMMARY, Column
from mmedit_bench.scoring.families import HEADLINE_FAMILY, families

SHOWN_COSTS = ("seconds", "edit_bytes", "preparation")
"""Cost columns that are shown unless somebody chooses others."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    of: ViewRow
    page: str
    cells: tuple[CellView, ...]
    costs: tuple[CostView, ...]

    @property
    def marks(self) -> str:
        """What the script filters by, beside the words that are read: the way the row is shown."""
        scores = self.of.row.run.scores
        words = ["control"] if scores.control else []
        words += [] if scores.complete else ["partial"]
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Table:
    """The default view of a block."""

    view: View
    columns: tuple[Column, ...]
    costs: tuple[CostColumn, ...]
    lines: tuple[Line, ...]
    apart: tuple[Line, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Column groups and their widths."""
        return [*groups(self.columns).items(), ("Cost", len(self.costs))]


def table_of(site: Site, block: Block) -> Table:
    """The default view: by free answers, failed edits counted in; the summary that rows are ranked by, and
    the paper's columns."""
    view = block.views[HEADLINE_FAMILY, False]
    shown = [item for item in view.columns if item.key in (*HEADLINE, view.summary)]
    columns = tuple(sorted(shown, key=lambda item: item.group != SUMMARY))
    costs = tuple(item for item in COSTS if item.key in SHOWN_COSTS)
    lines = [
        Line(
            one,
            f"runs/{site.page(one.row.run)}.html",
            tuple(cell_view(one.cells.get(item.key)) for item in columns),
            tuple(cost_view(one.row.run.scores.cost, item.key) for item in costs),
        )
        for one in view.rows
    ]
    return Table(
        view,
        columns,
        costs,
        tuple(line for line in lines if not line.of.row.entry.apart),
        tuple(line for line in lines if line.of.row.entry.apart),
    )


def choices(site: Site) -> dict[str, Any]:
    """The blocks that there are, for the script."""
    return {
        "headline": list(HEADLINE),
        "costs": [{"key": item.key, "title": item.title, "about": item.about} for item in COSTS],
        "shown": list(SHOWN_COSTS),
        "families": {name: family.title for name, family in families().items()},
        "blocks": [
            {
                "slug": block.slug,
                "suite": block.key.suite,
                "backbone": block.key.backbone,
                "protocol": block.key.setting,
                "probes": block.key.probes,
                "families": list(block.families),
            }
            for block in site.blocks
        ],
    }


def write(site: Site, out: Path) -> None:
    """Write index.html."""
    block = site.blocks[0] if site.blocks else None
    write_page(
        site.head,
        out,
        "index.html",
        "board.html.j2",
        block=block,
        table=None if block is None else table_of(site, block),
        choices=choices(site),
    )
