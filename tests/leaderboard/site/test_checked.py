"""Entries of which nothing was asked again."""

from __future__ import annotations

from dataclasses import replace

from leaderboard.site.model import Site
from leaderboard.site.views import views_of


def test_what_nobody_asked_again_takes_no_rank(loaded: Site) -> None:
    block = loaded.blocks[0]
    first = next(one.row for one in block.views["generation", False].rows if one.rank)
    rows = [
        replace(row, entry=replace(row.entry, status="checked")) if row is first else row
        for row in block.rows
    ]
    found = views_of(rows)["generation", False]
    ranks = {one.row.name: one.rank for one in found.rows}
    assert ranks[first.name] is None and sum(rank is not None for rank in ranks.values()) > 3
    assert {rank.best for rank in ranks.values() if rank} >= {1}
    (said,) = [row.status for row in rows if row.name == first.name]
    assert "not asked again, unranked" in said and first.status == ()
