"""A run whose unedited backbone gave other answers, on a board of runs that share one baseline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.site.data import payload
from leaderboard.site.details_block import edits_of
from leaderboard.site.details_data import editors_of
from leaderboard.site.model import Site, load
from leaderboard.site.views import INTERVALS, PAIRED, View
from mmedit_bench.scoring.ranks import Rank
from mmedit_bench.submissions.board_folder import read_board
from tests.site.further import add_run
from tests.site.synthetic import SPEC, Suites, write_board
from tests.site.synthetic_parts import Made

ENTRIES, EDITS = 8, 18


def odd(number: int) -> Made:
    return Made(number, ENTRIES, EDITS, False, ENTRIES)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_board(
        tmp_path_factory.mktemp("baselines") / "board",
        entries=ENTRIES, edits=EDITS, sequential=0, blind=0, backbones=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def before(board: Path) -> Site:
    """The board as it was."""
    return load(board, suites=Suites(EDITS))


@pytest.fixture(scope="module")
def marks(board: Path, before: Site) -> list[str]:
    """Two runs in another number type, the better for it, and one that records more than the others."""
    assert len(before.blocks) == 1
    return [
        add_run(board, odd(4), dtype="bfloat16", drift=0.25),
        add_run(board, odd(6), dtype="bfloat16", drift=0.25),
        add_run(board, odd(7), evidence=(*SPEC["evidence"], "kl")),
    ]


def ranks(view: View) -> dict[str, Rank]:
    return {one.row.run.fingerprint: one.rank for one in view.rows if one.rank}


def test_it_takes_no_rank_and_changes_none(board: Path, before: Site, marks: list[str]) -> None:
    site, folder = load(board, suites=Suites(EDITS)), read_board(board)
    without = [
        replace(entry, runs=tuple(run for run in entry.runs if run.verified.fingerprint not in marks[:2]))
        for entry in folder.entries
    ]
    (block,), (old,) = site.blocks, before.blocks
    (other,) = load(replace(folder, entries=tuple(without)), suites=Suites(EDITS)).blocks
    assert block.slug == old.slug
    assert {row.run.fingerprint for row in block.rows if row.other_baseline} == set(marks[:2])
    for name, view in block.views.items():
        assert view.ranked_by == PAIRED and view.stability is not None
        assert view.stability == other.views[name].stability
        assert ranks(view) == ranks(other.views[name])
        # more evidence is no other baseline
        assert ranks(view).keys() - ranks(old.views[name]).keys() <= {marks[2]}
    assert marks[2] in ranks(block.views["generation", False])
    view = block.views["generation", False]
    places = [place for place, one in enumerate(view.rows) if one.row.other_baseline]
    assert places[0] == len(ranks(view))
    assert view.rows[places[0]].row.status == ("another baseline, unranked",)
    rows = {row["fingerprint"]: row["other_baseline"] for row in payload(site, block)["rows"]}
    assert [rows[mark] for mark in marks] == [True, True, False]
    edits = edits_of(site, block)
    pages = {f"runs/{site.page(row.run)}.html": row.run.fingerprint for row in block.rows}
    beside = {pages[one["page"]]: one["beside"] for one in editors_of(site, edits)}
    assert [beside[mark] for mark in marks] == ["another baseline", "another baseline", None]


def test_without_the_suite_it_is_told_by_what_the_run_says(board: Path, marks: list[str]) -> None:
    (block,) = load(board, suites=lambda name: None).blocks
    found = {row.run.fingerprint: row.other_baseline for row in block.rows}
    assert [found[mark] for mark in marks[:2]] == [True, True]
    assert sum(found.values()) <= 3
    view = block.views["generation", False]
    assert view.ranked_by == INTERVALS and any(one.rank for one in view.rows)


def test_blind_runs_are_measured_alike_within_a_secret_and_made_alike_across(tmp_path: Path) -> None:
    board = write_board(
        tmp_path / "board",
        entries=ENTRIES, edits=EDITS, sequential=0, blind=ENTRIES, backbones=1,
    )  # fmt: skip
    (old,) = [block for block in load(board, suites=Suites(EDITS)).blocks if block.key.probes == "blind"]
    digest = "5" * 64
    # "synthetic" drew the probes of all others; a digest of the draw follows from the data's version too
    other_type = add_run(board, odd(3), secret="synthetic", dtype="bfloat16", drift=0.25)
    other_data = add_run(board, odd(4), secret="synthetic", suite_digest=digest, drift=0.25)
    other_secret = add_run(board, odd(6), secret="another", suite_digest=digest, seed=1, drift=0.5)
    other_device = add_run(board, odd(7), secret="third", suite_digest=digest, device="cuda")
    (block,) = [block for block in load(board, suites=Suites(EDITS)).blocks if block.key.probes == "blind"]
    assert block.slug == old.slug
    found = {row.run.fingerprint for row in block.rows if row.other_baseline}
    assert found == {other_type, other_data, other_device}
    view = block.views["generation", False]
    assert view.ranked_by == INTERVALS and other_secret in ranks(view)
    assert not found & ranks(view).keys()
    assert old.views["generation", False].ranked_by == PAIRED
