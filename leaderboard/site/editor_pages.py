"""A page for every entry: who submitted what, all its results, what they cost, and its card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leaderboard.site.card import parts_of
from leaderboard.site.cells import COSTS, CellView, CostView, cell_view, cost_view
from leaderboard.site.curves import Curve, curves_of
from leaderboard.site.html import write_page
from leaderboard.site.model import Block, Entry, Row, Site
from leaderboard.site.views import View
from mmedit_bench.rendering.protocol_numbers import lines
from mmedit_bench.scoring.columns import HEADLINE, Column, column
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.ranks import Rank

COLUMNS = ("hard", "reliability/main", "text_generality/main", "image_generality/main", "text_locality/main",
           "image_locality/main", "generality", "locality", "mean")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """One run in one view."""

    block: Block
    page: str
    rank: Rank | None
    of: int
    """How many have a place in that block."""
    status: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """All runs of an entry by one family, failed edits counted in or left out."""

    view: View
    rows: tuple[Result, ...]

    @property
    def title(self) -> str:
        """Which numbers these are."""
        failed = "failed edits left out" if self.view.left_out else "failed edits counted in"
        return f"By {self.view.family.title}; {failed}"


@dataclass(frozen=True, slots=True)
class Walked:
    """The sequences of one run."""

    block: Block
    page: str
    along: tuple[Curve, ...]
    by_age: tuple[Curve, ...]
    told: tuple[str, ...]
    """What else the protocol measures, in words."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What the edits of one run cost."""

    block: Block
    page: str
    cells: tuple[CostView, ...]
    edits: int


def write(site: Site, out: Path) -> None:
    """Write editors/<id>.html."""
    for entry in site.entries:
        placed = [(block, row) for block in site.blocks for row in block.rows if row.entry is entry]
        write_page(
            site.head,
            out,
            f"editors/{entry.id}.html",
            "editor.html.j2",
            entry=entry,
            form=entry.submission,
            card=list(parts_of(entry.card)) if entry.card else [],
            columns=_columns(),
            results=_results(site, entry, placed),
            walked=[one for block, row in placed if (one := _walked(site, block, row))],
            costs=COSTS,
            cost_rows=[_cost(site, block, row) for block, row in placed],
        )


def _columns() -> tuple[Column, ...]:
    assert set(HEADLINE) <= set(COLUMNS)
    return tuple(map(column, COLUMNS))


def _results(site: Site, entry: Entry, placed: list[tuple[Block, Row]]) -> list[Results]:
    families = dict.fromkeys(name for block, _ in placed for name in block.families if entry.shows(name))
    found = []
    for name in families:
        for out in (False, True):
            if out and not any(row.run.scores.counts.failed for _, row in placed):
                continue
            rows = [one for block, row in placed if (one := _result(site, block, row, name, out))]
            if rows:
                view = next(block.views[name, out] for block, _ in placed if (name, out) in block.views)
                found.append(Results(view, tuple(rows)))
    return found


def _result(site: Site, block: Block, row: Row, family: str, out: bool) -> Result | None:
    view = block.views.get((family, out))
    own = next((one for one in view.rows if one.row is row), None) if view else None
    if own is None or view is None:
        return None
    return Result(
        block,
        site.page(row.run),
        own.rank,
        sum(one.rank is not None for one in view.rows),
        ", ".join(row.status),
        tuple(cell_view(own.cells.get(key)) for key in COLUMNS),
    )


def _walked(site: Site, block: Block, row: Row) -> Walked | None:
    scores = row.run.scores
    own = scores.sequences.get(HEADLINE_FAMILY)
    told = tuple(lines(scores, HEADLINE_FAMILY))
    along = curves_of(own.curve, "edits made") if own else ()
    by_age = curves_of(own.retention, "edits made since") if own else ()
    if not (along or by_age or told):
        return None
    return Walked(block, site.page(row.run), along, by_age, told)


def _cost(site: Site, block: Block, row: Row) -> CostRow:
    cost = row.run.scores.cost
    return CostRow(block, site.page(row.run), tuple(cost_view(cost, item.key) for item in COSTS), cost.n)
