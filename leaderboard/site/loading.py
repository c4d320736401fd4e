"""Reading the runs of all entries of a board, side by side where there are many."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from leaderboard.site.answers import Before, Ruler
from leaderboard.site.entries import baseline_of
from leaderboard.site.runs import Run, read_run
from mmedit_bench.cases import EditCase, ImageRef
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.errors import BadData
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


def at_hand(suites: Suites, name: str) -> Suite | None:
    """The suite of a name; None where there is none, or where its files were not fetched.

    A suite of pinned files knows its digest without them, and only its cases would fail.
    """
    suite = suites(name)
    absent: Callable[[], str | None] | None = getattr(suite, "absent", None)  # some have nothing to fetch
    return suite if absent is None or absent() is None else None


def lost(image: ImageRef) -> bool:
    """Whether a picture's bytes are not to be had. Where other bytes lie there, that is damage, no loss."""
    try:
        image.opener()
    except BadData:
        return True
    return False


def lacking(cases: Iterable[EditCase]) -> bool:
    """Whether some picture of these cases is lost."""
    queries = (query for case in cases for query in (case.request.query, *(p.query for p in case.probes)))
    return any(query.image is not None and lost(query.image) for query in queries)


@dataclass(slots=True)
class Reader:
    """Reads entries in one process, keeping suites and baselines between them."""

    board: Path
    suites: Suites
    _rulers: dict[Path, Ruler | None]

    def read(self, entry: BoardEntry) -> tuple[Run, ...]:
        """The runs of one entry. Raises `BadRecord`, and `BadData` for a suite whose files are damaged."""
        return tuple(
            read_run(entry.id, found, self._fitting(Manifest.read(found.manifest))) for found in entry.runs
        )

    def _fitting(self, manifest: Manifest) -> Ruler | None:
        """The ruler of a run; None also where its schedule follows from pictures that are lost."""
        ruler = self.ruler(manifest.spec)
        if ruler is None:
            return None
        try:
            ruler.plan(manifest)
        except KeyError:
            return ruler  # for an unknown case, which whoever measures with it names with its file
        except BadData:
            if lacking(ruler.cases[case] for case in manifest.selection.cases):
                return None
            raise
        return ruler

    def ruler(self, spec: RunSpec) -> Ruler | None:
        """What measures a run's answers; None where its suite is not at hand, or in another version."""
        path = baseline_of(self.board, spec)
        if path not in self._rulers:
            suite = at_hand(self.suites, spec.suite)
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
    """The runs of every entry, in order, read by `workers` processes. Raises as `Reader.read`."""
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
