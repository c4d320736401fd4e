"""Blocks, rows and places."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from leaderboard.site.model import Site, load
from leaderboard.site.views import PAIRED
from mmedit_bench.submissions.board_folder import read_board
from tests.site.synthetic import BACKBONES, SUITE, Suites


def test_blocks_have_stable_plain_names(loaded: Site) -> None:
    slugs = [block.slug for block in loaded.blocks]
    assert slugs[0] == f"{SUITE}--{BACKBONES[0]}--one-step--public"
    assert f"{SUITE}--{BACKBONES[0]}--one-step--blind" in slugs
    assert any(
        re.fullmatch(rf"{SUITE}--{BACKBONES[0]}--sequential-[0-9a-f]{{8}}--public", one) for one in slugs
    )
    assert len(set(slugs)) == len(slugs)


def test_blind_and_public_probes_are_never_in_one_block(loaded: Site) -> None:
    for block in loaded.blocks:
        assert {row.run.probes for row in block.rows} == {block.key.probes}
        assert block.key.suite == SUITE


def test_foreign_code_and_self_reports_count_by_generation_only(loaded: Site) -> None:
    for block in loaded.blocks:
        for (family, _), view in block.views.items():
            tracks = {one.row.entry.badge for one in view.rows}
            if family != "generation":
                assert tracks <= {"edits", "reference"}
    assert {one.row.entry.badge for one in loaded.blocks[0].views["generation", False].rows} == {
        "edits", "sandboxed code", "self-reported", "reference",
    }  # fmt: skip


def test_who_has_a_place(loaded: Site) -> None:
    for block in loaded.blocks:
        for view in block.views.values():
            assert view.ranked_by == PAIRED
            for one in view.rows:
                scores = one.row.run.scores
                may = scores.complete and not scores.control and not one.row.entry.apart
                assert (one.rank is not None) == may
            assert view.summary == "hard"
            found = [one.cells[view.summary].value for one in view.rows if one.rank]
            assert found == sorted(found, reverse=True)
            for one in view.rows:
                if one.rank:
                    assert 1 <= one.rank.best <= one.rank.worst <= len(found)


def test_order_of_rows(loaded: Site) -> None:
    view = loaded.blocks[0].views["generation", False]
    kinds = [
        (one.row.entry.apart, one.row.run.scores.control, not one.row.run.scores.complete)
        for one in view.rows
    ]
    assert kinds == sorted(kinds) and len(set(kinds)) == 4


def test_stability_says_how_many_edits(loaded: Site) -> None:
    stable = loaded.blocks[0].views["generation", False].stability
    assert stable is not None
    assert stable.edits == 20 and stable.pairs == 5
    assert stable.point is not None and stable.point > stable.edits
    assert 0 <= stable.seen <= stable.pairs


def test_the_same_run_in_two_entries_has_two_pages(board: Path, suites: Suites) -> None:
    folder = read_board(board)
    entry = folder.entries[-2]
    other = replace(entry, submission=replace(entry.submission, id="zz-again"))
    site = load(replace(folder, entries=(entry, other)), suites=suites)
    pages = [site.page(run) for one in site.entries for run in one.runs]
    assert len(set(pages)) == len(pages) == 2 * len(entry.runs)
    assert pages[-1].endswith("-zz-again")
    names = [row.name for row in site.blocks[0].rows]
    assert len(set(names)) == len(names)


def test_an_empty_board(tmp_path: Path) -> None:
    (tmp_path / "board.yaml").write_text("title: Nothing yet\n")
    site = load(tmp_path)
    assert (site.entries, site.blocks) == ((), ())
