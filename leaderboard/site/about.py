"""The page that says how to read the board, and where its data are."""

from __future__ import annotations

from pathlib import Path

from leaderboard.site.data import FIELDS, SCHEMA
from leaderboard.site.html import write_page
from leaderboard.site.model import Site


def write(site: Site, out: Path) -> None:
    """Write about.html."""
    write_page(
        site.head,
        out,
        "about.html",
        "about.html.j2",
        blocks=site.blocks,
        entries=site.entries,
        fields=FIELDS,
        schema=SCHEMA,
        description=site.head.description,
    )
