"""Runs of a board as `mmedit-bench run` left them: laid out to be tabled anew, and known again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from mmedit_bench.runs.folder import Manifest
from mmedit_bench.scoring.cost import TRAINING
from mmedit_bench.submissions.baseline_lines import joined
from mmedit_bench.submissions.board_folder import (
    ENTRIES,
    RUNS,
    BoardEntry,
    BoardFolder,
    BoardRun,
    ready_for,
    unpacked,
)
from mmedit_bench.submissions.limits import MOST_FILE


def lay_out(
    board: BoardFolder,
    out: Path,
    entries: tuple[str, ...] = (),
    *,
    blind: bool = False,
    told: Callable[[int, int], object] = lambda done, total: None,
) -> list[Path]:
    """Put the runs of these entries, or of all that are not self-reported, below `out`, with baselines.

    Runs whose probes a secret drew come with `blind` only: nothing reads them without it. Returns the
    folders that were made. A run that is there already stays as it is, whole or begun, and a baseline
    that is there gets the lines it lacks. Scores are not among the files: they follow from the rest.
    Raises `BenchError` for an entry that the board does not have, for two entries that tell one run
    otherwise and for a baseline that says otherwise than the board's, `BadRecord` for a file that is
    damaged.
    """
    chosen = _one_of_each(
        (id, run) for id, run in _chosen(board, entries) if blind or run.verified.probes != "blind"
    )
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


def still_to_admit(board: Path, entries: Mapping[str, Sequence[Path]]) -> list[str]:
    """Of entries by id, each with its folders of runs, those that the board does not hold with these runs.

    Raises `BenchError` naming all that it holds with other runs, and as `ready_for`, before anything is
    made: a board with half of what was named is no board that anybody wanted.
    """
    there = {id: board / ENTRIES / id for id in sorted(entries) if (board / ENTRIES / id).exists()}
    done = [id for id, entry in there.items() if _held(entry / RUNS) == _left(entries[id])]
    if others := [id for id in there if id not in done]:
        raise BenchError(
            f"{board} has {', '.join(others)} already, with other runs; --replace puts these in their place"
        )
    waiting = [id for id in sorted(entries) if id not in done]
    for id in waiting:
        ready_for(board, id)
    return waiting


def _held(runs: Path) -> dict[str, dict[str, bytes]]:
    """The files of an entry's runs by the names of their folders, as `run` left them."""
    return {path.name: _files(path) for path in sorted(runs.iterdir())} if runs.is_dir() else {}


def _left(folders: Sequence[Path]) -> dict[str, dict[str, bytes]]:
    """The same of runs that lie where they were made, by the names that a board gives them."""
    found = {}
    for folder in folders:
        files = {"timings.jsonl": b""}  # notes: a run may have none
        for name in ("manifest.json", "predictions.jsonl", "timings.jsonl", TRAINING):
            if (folder / name).exists():
                files[name] = read_regular(folder / name, MOST_FILE)
        found[Manifest.read(folder / "manifest.json").spec.folder_name] = files
    return found


def self_reported(board: BoardFolder) -> list[str]:
    """Ids of entries whose answers nobody checked: they are laid out where they are named, else not."""
    return [entry.id for entry in board.entries if entry.submission.track == "self-reported"]


def blindly_asked(board: BoardFolder, entries: tuple[str, ...] = ()) -> list[str]:
    """Ids of those of these entries that have runs whose probes a secret drew."""
    return list(dict.fromkeys(id for id, run in _chosen(board, entries) if run.verified.probes == "blind"))


def _chosen(board: BoardFolder, entries: tuple[str, ...]) -> Iterator[tuple[str, BoardRun]]:
    known: dict[str, BoardEntry] = {entry.id: entry for entry in board.entries}
    unasked = self_reported(board)
    for name in dict.fromkeys(entries) or [name for name in known if name not in unasked]:
        if name not in known:
            raise BenchError(f"{board.path} has no entry {name!r}; it has {', '.join(known) or 'none'}")
        yield from ((name, run) for run in known[name].runs)


def _one_of_each(runs: Iterable[tuple[str, BoardRun]]) -> list[BoardRun]:
    """Runs by the names of their folders. Whoever copies a run has its name, and may change what it says.

    Raises `BenchError` where two runs of one name are not the same byte by byte.
    """
    found: dict[str, tuple[str, BoardRun]] = {}
    for entry, run in runs:
        first, other = found.setdefault(run.path.name, (entry, run))
        if other is not run and _files(other.path) != _files(run.path):
            raise BenchError(
                f"the entries {first!r} and {entry!r} both have run {run.path.name}, and not the same files "
                "of it; name the entries whose runs you want with --entry"
            )
    return [run for _, run in found.values()]


def _files(run: Path) -> dict[str, bytes]:
    """What a run of a board holds once it is laid out, by name."""
    found = {"manifest.json": read_regular(run / "manifest.json", MOST_SMALL)}
    for name in ("predictions.jsonl", "timings.jsonl"):
        found[name] = unpacked(run / f"{name}.gz", MOST_FILE)
    if (training := run / TRAINING).exists():
        found[TRAINING] = read_regular(training, MOST_SMALL)
    return found


def _lay_run(folder: Path, run: BoardRun) -> None:
    """Whole or not at all: a folder with a manifest and some of its records would be carried on."""
    with naming(folder), tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as aside:
        made = Path(aside) / folder.name
        made.mkdir()
        for name, data in _files(run.path).items():
            write_whole(made / name, data)
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
