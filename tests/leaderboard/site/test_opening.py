"""The block that the first page opens on."""

from __future__ import annotations

from pathlib import Path

from leaderboard.site.model import load
from tests.site.further import add_run
from tests.site.synthetic import Suites, write_board
from tests.site.synthetic_parts import Made

ENTRIES, EDITS = 6, 10


def test_many_runs_of_one_entry_do_not_choose_it(tmp_path: Path) -> None:
    board = write_board(
        tmp_path / "board", entries=ENTRIES, edits=EDITS, sequential=0, blind=0, backbones=1
    )  # fmt: skip
    for seed in range(9):
        add_run(board, Made(3, ENTRIES, EDITS, False, ENTRIES), limit=EDITS, seed=seed)
    first, second = load(board, suites=Suites(EDITS)).blocks
    ranked = [
        [one.row.entry.id for one in block.views["generation", False].rows if one.rank]
        for block in (first, second)
    ]
    assert (first.key.limit, second.key.limit) == (None, EDITS)
    assert len(set(ranked[0])) > 1 and len(ranked[1]) == 9 > len(ranked[0])
