"""Runs of a board laid out as `mmedit-bench run` left them, so that they can be scored and tabled anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from mmedit_bench.errors import BenchError, naming
from mmedit_bench.runs.baseline import FOLDER
from mmedit_bench.runs.files import (
    MOST_BYTES,
    MOST_SMALL,
    make_folder,
    read_regular,
    sync_folder,
    write_whole,
)
from mmedit_bench.scoring.cost import TRAINING
from mmedit_bench.submissions.board_folder import BoardEntry, BoardFolder, BoardRun, joined, unpacked
from mmedit_bench.submissions.limits import MOST_FILE


def lay_out(
    board: BoardFolder,
    out: Path,
    entries: tuple[str, ...] = (),
    *,
    told: Callable[[int, int], object] = lambda done, total: None,
) -> list[Path]:
    """Put the runs of these entries, or of all, below `out`, and the baselines beside them.

    Returns the folders that were made. A run that is there already stays as it is, whole or begun, and
    a baseline that is there gets the lines it lacks. Scores are not among the files: they follow from
    the rest. Raises `BenchError` for an entry that the board does not have and for a baseline that
    says otherwise than the board's, `BadRecord` for a file that is damaged.
    """
    chosen = list(_chosen(board, entries))
    make_folder(out / FOLDER)
    for name, path in board.baselines.items():
        _lay_baseline(out / FOLDER / f"{name}.jsonl", path)
    made = []
    for number, run in enumerate(chosen, start=1):
        folder = out / run.path.name
        if not folder.exists():
            _lay_run(folder, run)
            made.append(folder)
        told(number, len(chosen))
    return made


def _chosen(board: BoardFolder, entries: tuple[str, ...]) -> Iterator[BoardRun]:
    known: dict[str, BoardEntry] = {entry.id: entry for entry in board.entries}
    for name in entries or known:
        if name not in known:
            raise BenchError(f"{board.path} has no entry {name!r}; it has {', '.join(known) or 'none'}")
        yield from known[name].runs


def _lay_run(folder: Path, run: BoardRun) -> None:
    """Whole or not at all: a folder with a manifest and some of its records would be carried on."""
    with naming(folder), tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as aside:
        made = Path(aside) / folder.name
        made.mkdir()
        write_whole(made / run.manifest.name, read_regular(run.manifest, MOST_SMALL))
        for path in (run.predictions, run.timings):
            write_whole(made / path.stem, unpacked(path, MOST_FILE))
        if (training := run.path / TRAINING).exists():
            write_whole(made / TRAINING, read_regular(training, MOST_SMALL))
        made.replace(folder)
        sync_folder(folder.parent)


def _lay_baseline(place: Path, path: Path) -> None:
    held = read_regular(place, MOST_BYTES).splitlines(keepends=True) if place.exists() else []
    lines = unpacked(path).splitlines(keepends=True)
    whole = joined(
        (held, place), (lines, path), "lay them out in another folder, runs of two machines do not mix"
    )
    if len(whole) > len(held):
        write_whole(place, b"".join(whole))
