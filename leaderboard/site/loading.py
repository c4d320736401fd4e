"""Reading the runs of all entries of a board, side by side where there are many."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from leaderboard.site.answers import Before, Ruler
from leaderboard.site.entries import baseline_of
from leaderboard.site.runs import Run, read_run
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.runs.folder import Manifest
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.submissions.board_folder import BoardEntry, BoardFolder

FEW = 8
"""Entries up to which a second process costs more than it saves."""

Told = Callable[[str, int, int], None]
"""Is told of progress: what is done, how many of them, of how many."""
Suites = Callable[[str], Suite | None]
"""A suite by its name; None where it is not at hand."""


def nobody(what: str, done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(slots=True)
class Reader:
    """Reads entries in one process, keeping suites and baselines between them."""

    board: Path
    suites: Suites
    _rulers: dict[Path, Ruler | None]

    def read(self, entry: BoardEntry) -> tuple[Run, ...]:
        """The runs of one entry. Raises `BadRecord`."""
        runs = []
        for found in entry.runs:
            spec = Manifest.read(found.manifest).spec
            runs.append(read_run(entry.id, found, self.ruler(spec)))
        return tuple(runs)

    def ruler(self, spec: RunSpec) -> Ruler | None:
        """What measures a run's answers; None where its suite is not at hand, or in another version."""
        path = baseline_of(self.board, spec)
        if path not in self._rulers:
            suite = self.suites(spec.suite)
            if suite is None or suite.digest != spec.suite_digest:
                self._rulers[path] = None
            else:
                cases = {case.id: case for case in suite.cases(spec.split)}
                self._rulers[path] = Ruler(cases, Before.read(path))
        return self._rulers[path]


_reader: Reader | None = None
"""In a worker: its own."""


def _begin(board: Path, suites: Suites) -> None:
    global _reader
    _reader = Reader(board, suites, {})


def _read(entry: BoardEntry) -> tuple[Run, ...]:
    assert _reader is not None
    return _reader.read(entry)


def load_runs(
    board: BoardFolder, suites: Suites, *, workers: int = 1, told: Told = nobody
) -> list[tuple[Run, ...]]:
    """The runs of every entry, in order, read by `workers` processes. Raises `BadRecord`."""
    found: list[tuple[Run, ...]] = []
    total = len(board.entries)
    if workers == 1 or total <= FEW:
        reader = Reader(board.path, suites, {})
        for entry in board.entries:
            found.append(reader.read(entry))
            told("entries", len(found), total)
        return found
    with ProcessPoolExecutor(workers, _context(), _begin, (board.path, suites)) as pool:
        for one in pool.map(_read, board.entries, chunksize=max(1, min(8, total // (4 * workers)))):
            found.append(one)
            told("entries", len(found), total)
    return found


def _context() -> multiprocessing.context.BaseContext:
    """Forked where that is possible: what is imported already need not be imported again."""
    return multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)
