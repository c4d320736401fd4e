"""Runs whose seeds differ: units of the same names, and where those hold other cases, no pairs."""

from __future__ import annotations

import pytest

from leaderboard.site.compare import _index
from leaderboard.site.compare_pairs import pairs_of, values_of
from leaderboard.site.details_block import edits_of
from leaderboard.site.model import Block, Site, load
from leaderboard.site.views import INTERVALS, PAIRED
from tests.site.further import add_run
from tests.site.synthetic import Suites, write_board
from tests.site.synthetic_parts import Made

ENTRIES, EDITS = 8, 18


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Three editors in sequences, one of them in those of another seed; a further one alone of that seed."""
    board = write_board(
        tmp_path_factory.mktemp("seeds") / "board",
        entries=ENTRIES, edits=EDITS, sequential=0, blind=0, backbones=1,
    )  # fmt: skip
    for number, seed in ((3, 0), (4, 0), (6, 1)):
        add_run(board, Made(number, ENTRIES, EDITS, False, ENTRIES), sequential=True, seed=seed)
    add_run(board, Made(7, ENTRIES, EDITS, False, ENTRIES), seed=1)
    return load(board, suites=Suites(EDITS))


def block_of(site: Site, protocol: str) -> Block:
    (found,) = [block for block in site.blocks if block.key.protocol == protocol]
    return found


def test_sequences_of_other_cases_are_not_paired(loaded: Site) -> None:
    block = block_of(loaded, "sequential")
    assert len({row.run.scores.baseline for row in block.rows}) == 1
    units = {row.run.parts["generation", False].clusters for row in block.rows}
    assert len(units) == 1
    view = block.views["generation", False]
    assert (view.ranked_by, view.stability) == (INTERVALS, None)


def test_nor_are_the_edits_that_they_share_by_accident(loaded: Site) -> None:
    edits = edits_of(loaded, block_of(loaded, "sequential"))
    seeds = [row.run.spec.seed for row in edits.block.rows]
    found = pairs_of(edits, values_of(edits, "generation"))
    assert {(seeds[one], seeds[other]) for one, other in found} == {(0, 0)}
    told = [editor["schedule"] for editor in _index(loaded, edits, ahead=False)["editors"]]
    assert [one == told[0] for one in told] == [seed == seeds[0] for seed in seeds]


def test_single_edits_are_the_same_under_every_seed(loaded: Site) -> None:
    block = block_of(loaded, "one-step")
    assert {row.run.spec.seed for row in block.rows} == {0, 1}
    assert block.views["generation", False].ranked_by == PAIRED
    assert len(set(edits_of(loaded, block).schedules)) == 1
