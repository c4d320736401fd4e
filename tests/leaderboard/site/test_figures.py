"""Figures for papers, as matplotlib has them before they are saved."""

from __future__ import annotations

from dataclasses import replace

from leaderboard.site.figures import _tradeoff
from leaderboard.site.model import Block, Site


def drawn(block: Block) -> dict[str, tuple[str, str]]:
    """Colour and filling by name, from the top of the panel beside the trade-off."""
    _, beside = _tradeoff(block).axes
    names = [label.get_text() for label in beside.get_yticklabels()]
    marks = [bars.lines[0] for bars in beside.containers]
    styles = [(mark.get_color(), mark.get_markerfacecolor()) for mark in marks]
    return dict(reversed(list(zip(names, styles, strict=True))))


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
