"""A local run beside the published rows of its block, compared with them edit by edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from leaderboard.site.answers import Before, Ruler, answers_of
from leaderboard.site.entries import baseline_of
from leaderboard.site.loading import Suites
from leaderboard.site.model import Block, Row, key_of, load, registered
from leaderboard.site.runs import BLIND
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.errors import BenchError
from mmedit_bench.runs.folder import Manifest, read_run
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.checking import measured_against
from mmedit_bench.scoring.comparison import by_edit, won_and_lost
from mmedit_bench.scoring.edit_values import EditValues, edit_values
from mmedit_bench.scoring.intervals import Estimate, differences
from mmedit_bench.scoring.score import checked_run, scores_of
from mmedit_bench.scoring.scores import Cells
from mmedit_bench.submissions.board_folder import BoardEntry, BoardFolder, read_board


@dataclass(frozen=True, slots=True)
class Published:
    """One row of the board, and the local run minus it."""

    name: str
    track: str
    rank: str
    cells: Cells
    differences: Mapping[str, Estimate | None]
    """By column and group, in percentage points; empty where the two cannot be paired."""
    won: int
    """Edits on which the local run does better, by the summary that the block is ordered by."""
    lost: int
    why: str | None
    """Why nothing is paired; None where it is."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A local run and the rows of its block, in the board's order."""

    title: str
    name: str
    cells: Cells
    rows: tuple[Published, ...]
    edits: int
    summary: str
    """The column or group that rows are ordered by."""


def beside(folder: Path, board: Path, family: str, *, suites: Suites = registered) -> Beside:
    """Put the run at `folder` beside the rows of its block on the board at `board`.

    Raises `BenchError` if the board has no such block, or the block no numbers of the family, and as
    `scoring.score.checked_run` for a run that is not what it says.
    """
    spec = read_run(folder).manifest.spec
    suite = suites(spec.suite)
    if suite is None:
        raise BenchError(f"run {folder} is of suite {spec.suite}, which is not installed here")
    run = checked_run(folder, suite)
    mine = edit_values(run, family)
    block = _block(read_board(board), spec, suites)
    view = block.views.get((family, False))
    if view is None:
        raise BenchError(f"the board has no numbers of {family} for {block.title}")
    cases = {case.id: case for case in suite.cases(spec.split)}

    @cache
    def ruler(path: Path) -> Ruler:
        return Ruler(cases, Before.read(path))

    rows = []
    for one in view.rows:
        theirs = one.row.run
        found, votes, why = (
            # equal readings may lie under another name: what was used to make them is part of it
            _paired(mine, one.row, ruler(baseline_of(board, theirs.spec)), suite, family, view.summary)
            if theirs.scores.baseline == measured_against(run)
            else ({}, (0, 0), _OTHER)
        )
        rank = str(one.rank or "")
        rows.append(Published(one.row.name, one.row.entry.badge, rank, one.cells, found, *votes, why))
    cells = scores_of(run).family(family).overall
    return Beside(block.title, f"{spec.editor} (local)", cells, tuple(rows), len(mine.cases), view.summary)


_OTHER = "measured against another baseline"


def _block(board: BoardFolder, spec: RunSpec, suites: Suites) -> Block:
    """The board's block for runs such as this; reads no other runs."""
    wanted = key_of(spec, "blind" if spec.suite.endswith(BLIND) else "public")

    def fitting(entry: BoardEntry) -> BoardEntry:
        runs = [
            run
            for run in entry.runs
            if key_of(Manifest.read(run.manifest).spec, run.verified.probes) == wanted
        ]
        return replace(entry, runs=tuple(runs))

    entries = tuple(entry for entry in map(fitting, board.entries) if entry.runs)
    if not entries:
        raise BenchError(
            f"the board at {board.path} has no runs of {spec.suite} on {spec.backbone} with protocol "
            f"{spec.protocol}, its options and this limit; compare a run made as theirs were"
        )
    (block,) = load(replace(board, entries=entries), suites=suites).blocks
    return block


def _paired(
    mine: EditValues, row: Row, ruler: Ruler, suite: Suite, family: str, summary: str
) -> tuple[Mapping[str, Estimate | None], tuple[int, int], str | None]:
    if row.run.spec.suite_digest != suite.digest:
        return {}, (0, 0), "other probes"
    theirs = answers_of(row.run.predictions, row.run.manifest, ruler).values[family]
    if (mine.cases, mine.units, mine.columns) != (theirs.cases, theirs.units, theirs.columns):
        return {}, (0, 0), "other edits, or not all of them"
    empty = mine.empty | theirs.empty
    one, other = mine.without(empty), theirs.without(empty)
    found = differences(one, other, mine.clusters, mine.columns, mine.groups)
    sides = [by_edit(side, mine.columns, mine.groups)[summary] for side in (one, other)]
    won, lost, _ = won_and_lost(sides[0] - sides[1])
    return {name: own.times(100) if own else None for name, own in found.items()}, (won, lost), None
