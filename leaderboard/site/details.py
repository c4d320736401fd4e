"""The drill-down: single edits with their pictures, and what every run of a block made of them.

The predictions of a block are read once, for this and for the comparison of runs.
"""

from __future__ import annotations

from pathlib import Path

from leaderboard.site import compare
from leaderboard.site.details_block import edits_of
from leaderboard.site.details_data import write_block
from leaderboard.site.details_flat import flat_of
from leaderboard.site.html import write_page
from leaderboard.site.loading import Told, nobody
from leaderboard.site.model import Site


def write(site: Site, out: Path, told: Told = nobody) -> None:
    """edits/BLOCK/index.html and compare.html with their data. Raises `BenchError`."""
    for number, block in enumerate(site.blocks, start=1):
        edits = edits_of(site, block)
        write_block(site, edits, flat_of(edits), out)
        compare.write_block(site, edits, out)
        write_page(site.head, out, f"edits/{block.slug}/index.html", "details.html.j2", block=block)
        told("edits of blocks", number, len(site.blocks))
    compare.write_page_of(site, out)
