"""Names of rows and addresses of runs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.site.model import load
from mmedit_bench.submissions.board_folder import read_board
from tests.site.further import add_run
from tests.site.synthetic import Suites, write_board
from tests.site.synthetic_parts import Made

ENTRIES, EDITS = 4, 6
MADE = Made(3, ENTRIES, EDITS, False, ENTRIES)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return write_board(
        tmp_path / "board", entries=ENTRIES, edits=EDITS, sequential=0, blind=0, backbones=1
    )  # fmt: skip


@pytest.mark.parametrize("value", ["far ahead of all the others " * 40, "x\u202e\n1. best", "y" * 60])
def test_options_that_are_a_text_of_their_own_are_a_mark(board: Path, value: str) -> None:
    add_run(board, MADE, editor_options={"rate": 0.5})
    mark = add_run(board, MADE, editor_options={"rate": value})[:8]
    (block,) = load(board, suites=Suites(EDITS)).blocks
    names = sorted(row.name for row in block.rows if row.entry.id == MADE.id)
    assert names == sorted(["Editor 3", "Editor 3 rate=0.5", f"Editor 3 {mark}"])


def test_namesakes_and_twins_are_told_apart(board: Path) -> None:
    for seed in range(3):
        add_run(board, MADE, editor_options={"rate": "z" * 99}, seed=seed)
    form = board / "entries" / "editor-002" / "submission.yaml"
    form.write_text(form.read_text().replace("Editor 2", "Editor 3"))
    (block,) = load(board, suites=Suites(EDITS)).blocks
    names = [row.name for row in block.rows if row.name.startswith("Editor 3")]
    assert len(set(names)) == len(names) == 5
    assert all(re.fullmatch(r"Editor 3( [a-z0-9-]{1,60})?( [0-9a-f]{8})?", name) for name in names)


def test_a_copy_does_not_take_the_address_of_the_run_that_it_copies(board: Path) -> None:
    folder = read_board(board)
    (own,) = [entry for entry in folder.entries if entry.submission.id == MADE.id]
    copies = [
        replace(
            own,
            submission=replace(own.submission, id=id, track=track),
            verification=replace(own.verification, status=status),
        )
        for id, track, status in [
            ("aaa", "self-reported", "checked"), ("zzz", "edits", "reference"), ("bbb", "edits", "verified"),
        ]
    ]  # fmt: skip
    for taken, wanted in ((copies, "zzz"), (copies[::2], "bbb"), (copies[:1], MADE.id)):
        entries = sorted([own, *taken], key=lambda entry: entry.submission.id)
        site = load(replace(folder, entries=tuple(entries)), suites=Suites(EDITS))
        pages = {entry.id: site.page(run) for entry in site.entries for run in entry.runs}
        mark = site.entries[0].runs[0].fingerprint[:12]
        assert pages == {id: mark if id == wanted else f"{mark}-{id}" for id in pages}
