"""Figures for papers, as matplotlib has them before they are saved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leaderboard.site.figures import _tradeoff
from leaderboard.site.model import Block, Row, Site


def drawn(block: Block) -> dict[str, tuple[str, str]]:
    """Colour and filling by name, from the top of the panel beside the trade-off."""
    _, beside = _tradeoff(block).axes
    names = [label.get_text() for label in beside.get_yticklabels()]
    marks = [bars.lines[0] for bars in beside.containers]
    styles = [(mark.get_color(), mark.get_markerfacecolor()) for mark in marks]
    return dict(reversed(list(zip(names, styles, strict=True))))


@pytest.mark.parametrize("why", ["another baseline", "not asked again", "partial"])
def test_who_may_not_compete_stands_behind_and_is_quiet(loaded: Site, why: str) -> None:
    block = loaded.blocks[0]
    first = next(iter(drawn(block)))

    def barred(row: Row) -> Row:
        scores, entry = row.run.scores, row.entry
        return {
            "another baseline": replace(row, other_baseline=True),
            "not asked again": replace(row, entry=replace(entry, status="checked")),
            "partial": replace(row, run=replace(row.run, scores=replace(scores, complete=False))),
        }[why]

    rows = tuple(barred(row) if row.name == first else row for row in block.rows)
    assert {row.beside for row in rows if row.name == first} == {why}
    found = drawn(replace(block, rows=rows))
    kinds = {row.name: (row.entry.apart, row.run.scores.control, row.beside is not None) for row in rows}
    places = [kinds[name] for name in found]
    assert places == sorted(places) and first in found
    quiet = {found[name] for name, kind in kinds.items() if name in found and any(kind)}
    loud = {found[name] for name, kind in kinds.items() if name in found and not any(kind)}
    assert len(quiet) == 1 and loud and not quiet & loud and found[first] in quiet


def test_what_its_authors_alone_vouch_for_competes_with_nobody(loaded: Site) -> None:
    block = loaded.blocks[0]
    first = next(iter(drawn(block)))
    rows = [
        replace(row, entry=replace(row.entry, submission=replace(row.entry.submission, track=track)))
        for row in block.rows
        for track in ["self-reported" if row.name == first else row.entry.submission.track]
    ]
    found = drawn(replace(block, rows=tuple(rows)))
    apart = {row.name for row in rows if row.entry.apart}
    controls = {row.name for row in rows if row.run.scores.control}
    kinds = [(name in apart, name in controls) for name in found]
    assert kinds == sorted(kinds) and first in apart
    quiet = {style for name, style in found.items() if name in apart | controls}
    loud = {style for name, style in found.items() if name not in apart | controls}
    assert len(quiet) == 1 and "white" in {fill for _, fill in quiet}
    assert len(loud) > 3 and not quiet & loud
