"""Tables for papers: LaTeX, Markdown, and the BibTeX entry of the board's release."""

from __future__ import annotations

import re
from pathlib import Path

from leaderboard.site.cells import COSTS, cost_view
from leaderboard.site.entries import Head
from leaderboard.site.html import write_text
from leaderboard.site.model import Block, Site
from leaderboard.site.views import View
from mmedit_bench import __version__
from mmedit_bench.rendering.grid import Grid, rendered
from mmedit_bench.rendering.latex import escaped
from mmedit_bench.rendering.wording import with_margin
from mmedit_bench.scoring.columns import HEADLINE

NUMBERS = ("seconds", "edit_bytes", "preparation")
"""Costs that stand in a table for a paper."""


def write(site: Site, out: Path) -> None:
    """Write data/<block>.tex and .md with a table for each view, and data/board.bib."""
    for block in site.blocks:
        grids = [grid_of(block, block.views[name, out]) for name in block.families for out in (False, True)]
        write_text(out / "data" / f"{block.slug}.tex", rendered(grids, "latex"))
        write_text(out / "data" / f"{block.slug}.md", rendered(grids, "markdown"))
    write_text(out / "data" / "board.bib", bibtex(site.head))


def grid_of(block: Block, view: View) -> Grid:
    """One view as a table of texts."""
    columns = [item for item in view.columns if item.key in (*HEADLINE, view.summary)]
    costs = [item for item in COSTS if item.key in NUMBERS]
    failed = "failed edits left out" if view.left_out else "failed edits counted in"
    return Grid(
        block.title,
        f"Percent ± half the 95 % interval, by {view.family.title} ({view.family.change}; "
        f"{view.family.keep}); {failed}; ranked by {view.by}.",
        ("rank", "editor", "track", *(item.short for item in columns), *(item.title for item in costs)),
        tuple(
            (
                str(one.rank or ""),
                one.row.name,
                ", ".join([one.row.entry.badge, *one.row.status]),
                *(with_margin(one.cells.get(item.key)) for item in columns),
                *(cost_view(one.row.run.scores.cost, item.key).text for item in costs),
            )
            for one in view.rows
        ),
        words=3,
    )


def bibtex(head: Head) -> str:
    """The entry to cite: the board, its release and its day."""
    year = (head.date or "")[:4]
    key = re.sub(r"[^a-z0-9]+", "-", f"mmedit-bench-{head.release or 'board'}".lower()).strip("-")
    note = f"release {head.release}" if head.release else "current state"
    fields = {
        "title": "{" + _braceless(head.title) + "}",
        "author": "{The mmedit-bench authors}",
        "year": year,
        "note": escaped(f"{note}{', ' + head.date if head.date else ''}, mmedit-bench {__version__}"),
        "url": head.url or "",
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{key},", *lines, "}"]) + "\n"


def _braceless(text: str) -> str:
    """BibTeX counts braces that LaTeX has escaped, too."""
    return escaped(text.replace("{", "(").replace("}", ")"))
