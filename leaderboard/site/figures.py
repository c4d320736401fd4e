"""Figures of a block for papers: the trade-off, and the decay along sequences, as SVG and PNG.

The same board and the same matplotlib give the same bytes. Text in the SVG is text.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from leaderboard.site.html import write_bytes
from leaderboard.site.model import Block, Row, Site
from mmedit_bench.rendering.escaping import shown_line
from mmedit_bench.scoring.columns import column
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.scores import Cell
from mmedit_bench.scoring.sequence_scores import Point

FOLDER = "figures"
MOST_NAMED = 12
"""Runs that are named in a figure, the best first; all others are points."""
LONGEST = 28
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a6a3a", "#000000")
"""Told apart also by those who do not see all colours (Okabe and Ito)."""
_QUIET = "#8a8f96"
_INK = "#333333"
_PLAIN = {
    "svg.hashsalt": "mmedit-bench", "svg.fonttype": "none", "text.parse_math": False, "text.usetex": False,
}  # fmt: skip
"""A name may hold a dollar sign, which is no formula."""


def write(site: Site, out: Path) -> None:
    """figures/BLOCK-tradeoff and, for blocks of sequences, BLOCK-decay. Raises `Unusable`."""
    from matplotlib import rc_context

    for block in site.blocks:
        with rc_context(_PLAIN), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in whatever script
            drawn = {"tradeoff": _tradeoff(block), "decay": _decay(block)}
            for name, figure in drawn.items():
                if figure is not None:
                    for ending, data in _saved(figure).items():
                        write_bytes(out / FOLDER / f"{block.slug}-{name}.{ending}", data)


def _tradeoff(block: Block) -> Any:
    """Generality against locality with both intervals, and beside it, in the same colours, reliability."""
    rows = [
        (row, across, up)
        for row in block.rows
        if (across := _cell(row, "generality")) and (up := _cell(row, "locality"))
    ]
    figure, (panel, beside) = _panels(block, 2)
    named = _named(block, [row for row, _, _ in rows])
    for row, across, up in rows:
        style = _style(row, named)
        panel.errorbar(
            across.value, up.value, xerr=_arms(across), yerr=_arms(up), marker="o", linestyle="none",
            markersize=6, elinewidth=1, label=_name(row) if id(row) in named else None, **style,
        )  # fmt: skip
    panel.set(xlabel="generality (percent)", ylabel="locality (percent)", xlim=(-3, 103), ylim=(-3, 103))
    shown = [row for row, _, _ in rows if id(row) in named and _cell(row, "reliability/main")]
    shown.sort(key=lambda row: named[id(row)], reverse=True)
    for place, row in enumerate(shown):
        cell = _cell(row, "reliability/main")
        assert cell is not None
        beside.errorbar(
            cell.value,
            place,
            xerr=_arms(cell),
            marker="o",
            linestyle="none",
            elinewidth=1,
            **_style(row, named),
        )
    beside.set_yticks(range(len(shown)), [_name(row) for row in shown])
    beside.set(xlabel="reliability (percent)", xlim=(-3, 103), ylim=(-0.7, max(len(shown), 1) - 0.3))
    beside.grid(axis="x", color="#dddddd", linewidth=0.6)
    return figure


def _decay(block: Block) -> Any:
    """Reliability and locality of all edits so far, by edits made, with bands."""
    rows = [row for row in block.rows if _curve(row)]
    if not rows:
        return None
    keys = ("reliability/main", "generality", "locality")
    figure, panels = _panels(block, len(keys))
    named = _named(block, rows)
    for panel, key in zip(panels, keys, strict=True):
        for row in rows:
            if id(row) not in named:
                continue
            points = [
                (point.at, cell)
                for point in _curve(row)
                if (cell := point.cells.get(key)) and cell.value is not None
            ]
            style = _style(row, named)
            at, cells = [one for one, _ in points], [cell for _, cell in points]
            panel.plot(at, [cell.value for cell in cells], marker=".", label=_name(row), **style)
            if cells and all(cell.low is not None for cell in cells):
                panel.fill_between(
                    at, [cell.low for cell in cells], [cell.high for cell in cells],
                    color=style["color"], alpha=0.12, linewidth=0,
                )  # fmt: skip
        panel.set_title(column(key).title, fontsize=10)
        panel.set(xlabel="edits made", ylim=(-3, 103), xscale="log")
    panels[0].set_ylabel("percent, all edits so far")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    return figure


def _curve(row: Row) -> Sequence[Point]:
    own = row.run.scores.sequences.get(HEADLINE_FAMILY)
    return own.curve if own and len(own.curve) > 1 else ()


def _cell(row: Row, key: str) -> Cell | None:
    cells = row.run.cells(HEADLINE_FAMILY)
    cell = cells.get(key) if cells else None
    return cell if cell is not None and cell.value is not None else None


def _named(block: Block, rows: Sequence[Row]) -> dict[int, int]:
    """By `id` of a row, its place: the best of those that compete first, then who does not, controls, and
    last what is shown apart; the further ones are not named."""
    summary = block.views[HEADLINE_FAMILY, False].summary

    def order(row: Row) -> tuple[bool, bool, bool, float, str]:
        cell = _cell(row, summary)
        value = -(cell.value or 0.0) if cell else 1.0
        return row.entry.apart, row.run.scores.control, row.beside is not None, value, row.name

    return {id(row): place for place, row in enumerate(sorted(rows, key=order)[:MOST_NAMED])}


def _style(row: Row, named: dict[int, int]) -> dict[str, Any]:
    place = named.get(id(row))
    if place is None or row.beside is not None:  # nobody competes with these
        return {"color": _QUIET, "markerfacecolor": "white"}
    return {"color": COLORS[place % len(COLORS)]}


def _name(row: Row) -> str:
    name = shown_line(row.name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _arms(cell: Cell) -> list[list[float]] | None:
    if cell.value is None or cell.low is None or cell.high is None:
        return None
    return [[cell.value - cell.low], [cell.high - cell.value]]


def _panels(block: Block, count: int) -> tuple[Any, Sequence[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * count + 1.2, 4), layout="constrained")
    panels = figure.subplots(1, count)
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
    figure.suptitle(block.title, fontsize=10, color=_INK)
    return figure, panels


def _saved(figure: Any) -> dict[str, bytes]:
    """Neither file holds a date, and ids inside the SVG follow from its content."""
    found = {}
    kinds: Iterator[tuple[str, dict[str, Any]]] = iter((("svg", {"Date": None}), ("png", {"Software": None})))
    for ending, metadata in kinds:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=ending, metadata=metadata, dpi=120)
        found[ending] = buffer.getvalue()
        figure.set_layout_engine("none")  # laid out once is enough
    return found
