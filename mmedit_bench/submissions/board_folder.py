"""A board's folder: what was admitted, as plain files that a repository can keep.

    board.yaml                        title, url, description, release
    entries/<id>/submission.yaml, verification.json, card.md
    entries/<id>/runs/<run>/          manifest.json, scores.json, {predictions,timings}.jsonl.gz, and
                                      artefact.json of an editor that was trained
    baselines/<name>.jsonl.gz         what the unedited backbone said, written by the board's side alone

The same run gives the same bytes. An entry appears whole or not at all.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord, BenchError, naming
from mmedit_bench.runs.files import MOST_SMALL, make_folder, read_regular, write_whole
from mmedit_bench.scoring.cost import TRAINING
from mmedit_bench.submissions.baseline_lines import Lines, joined
from mmedit_bench.submissions.board_file import FILE as BOARD
from mmedit_bench.submissions.board_file import alone, begun, board_values
from mmedit_bench.submissions.form import FILE as FORM
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submissions.limits import MOST_BYTES, MOST_FILE, MOST_FORM
from mmedit_bench.submissions.placing import put_in_place, refuse_unwritable
from mmedit_bench.submissions.verified import FILE as VERIFICATION
from mmedit_bench.submissions.verified import Verification, VerifiedRun

CARD = "card.md"
ENTRIES, BASELINES, RELEASES, RUNS = "entries", "baselines", "releases", "runs"
MOST_CARD = 64 << 10
"""Bytes of a card."""

_ID = re.compile("[a-z0-9][a-z0-9-]{0,59}")
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,254}")
_BASELINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.jsonl")


@dataclass(frozen=True, slots=True)
class BoardRun:
    """One run of an entry."""

    path: Path
    verified: VerifiedRun

    @property
    def manifest(self) -> Path:
        """What the run is of."""
        return self.path / "manifest.json"

    @property
    def scores(self) -> Path:
        """Its numbers, computed by the board's side."""
        return self.path / "scores.json"

    @property
    def predictions(self) -> Path:
        """What the edited model said, gzipped."""
        return self.path / "predictions.jsonl.gz"

    @property
    def timings(self) -> Path:
        """What it cost, gzipped."""
        return self.path / "timings.jsonl.gz"


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """One submission on the board."""

    path: Path
    submission: Submission
    verification: Verification
    runs: tuple[BoardRun, ...]
    """In the order of `verification`."""

    @property
    def id(self) -> str:
        """That of the submission, and the name of the entry's folder."""
        return self.path.name

    @property
    def card(self) -> Path | None:
        """The editor's card, plain text, if there is one."""
        path = self.path / CARD
        return path if path.is_file() and not path.is_symlink() else None


@dataclass(frozen=True, slots=True)
class BoardFolder:
    """A board as its folder tells it."""

    path: Path
    title: str
    url: str | None
    description: str
    release: str
    """Name of the release that is being prepared; empty where board.yaml names none."""
    date: str
    """Its date, ISO, or empty."""
    entries: tuple[BoardEntry, ...]
    """In the order of their ids."""

    @property
    def baselines(self) -> Mapping[str, Path]:
        """Files of baselines by name, without ".jsonl.gz"."""
        found = sorted((self.path / BASELINES).glob("*.jsonl.gz"))
        return {path.name.removesuffix(".jsonl.gz"): path for path in found}


def read_board(path: Path) -> BoardFolder:
    """A board's folder. Raises `BadRecord` naming the file that is not as it should be."""
    if not (path / BOARD).is_file():
        raise BadRecord(f"{path} is no board: it has no {BOARD}; `verify --admit` makes one")
    values = board_values(path / BOARD)
    release: dict[str, Any] = values.get("release") or {}
    folder = path / ENTRIES
    with naming(folder):
        found = sorted(own for own in folder.iterdir() if _ID.fullmatch(own.name)) if folder.exists() else []
    return BoardFolder(
        path,
        values["title"],
        values.get("url"),
        values.get("description") or "",
        str(release.get("name") or ""),
        str(release.get("date") or ""),
        tuple(map(_read_entry, found)),
    )


def admit(
    board: Path,
    submission: Submission,
    verification: Verification,
    run_folders: Sequence[Path],
    baselines: Sequence[Path],
    *,
    card: str | None = None,
    replace: bool = False,
) -> Path:
    """Put an entry on a board, and the baselines it is measured against; returns the entry's folder.

    `run_folders` have manifest.json, scores.json, predictions.jsonl and timings.jsonl, artefact.json
    where the editor was trained, and are those that `verification` names, in any order; `baselines` are
    files as a run leaves them. A board that is not there is made, and another process that adds to it
    is waited for. Raises `BenchError` for a submission with problems, for a name that is taken unless
    `replace` is given, and for a baseline that contradicts the board's.
    """
    if verification.problems or verification.status == "refused":
        raise BenchError(f"{submission.id} has {len(verification.problems)} problems and is not admitted")
    if verification.submission != submission.id:
        raise BenchError(f"the verification is of {verification.submission!r}, not of {submission.id!r}")
    folders = {folder.name: folder for folder in run_folders}
    if sorted(folders) != sorted(run.folder for run in verification.runs) or len(folders) < len(run_folders):
        raise BenchError(f"the runs of {submission.id} are not those that its verification names")
    ready_for(board, submission.id, replace=replace)
    with alone(board):
        entry = ready_for(board, submission.id, replace=replace)  # another may have come meanwhile
        make_folder(board / ENTRIES)
        make_folder(board / BASELINES)
        for path in baselines:
            _admit_baseline(board / BASELINES, path)
        with naming(entry):
            aside = Path(tempfile.mkdtemp(prefix=".new-", dir=board / ENTRIES))
            try:
                made = aside / submission.id
                made.mkdir()
                write_whole(made / FORM, submission.text().encode())
                write_whole(made / VERIFICATION, verification.text().encode())
                if card:
                    write_whole(made / CARD, card.encode("utf-8", "replace")[:MOST_CARD])
                for name, folder in folders.items():
                    _admit_run(made / RUNS / name, folder)
                put_in_place(made, entry)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return entry


def ready_for(board: Path, id: str, *, replace: bool = False) -> Path:
    """The folder of an entry that a board can take; nothing is made. Raises `BenchError` if it cannot."""
    entry = board / ENTRIES / id
    if not _ID.fullmatch(id):
        raise BenchError(f"an entry cannot be called {id!r:.70}; use 1 to 60 of a-z, 0-9 and hyphens")
    if entry.exists() and not replace:
        raise BenchError(f"{entry} is there already; --replace puts this one in its place")
    if begun(board):
        board_values(board / BOARD)
    refuse_unwritable(entry.parent)
    return entry


def agreeing(board: Path, *baselines: Path) -> None:
    """Raise `BenchError` for a baseline that says otherwise of a case than the board's, or one before it."""
    grown: dict[str, Lines] = {}
    for path in baselines:
        kept = board / BASELINES / f"{path.name}.gz"
        grown[path.name] = _grown(grown.get(path.name) or _held(kept), path), path


def packed(data: bytes) -> bytes:
    """`data` gzipped, without name and time: the same bytes for the same data."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(data)
    return out.getvalue()


def unpacked(path: Path, most: int = MOST_BYTES) -> bytes:
    """The data of a gzipped file of a board, at most `most` bytes. Raises `BadRecord`."""
    engine = zlib.decompressobj(wbits=31)
    try:
        data = engine.decompress(read_regular(path, MOST_FILE), most)
    except zlib.error as error:
        raise BadRecord(f"{path} is not gzipped data ({error}); bring it back from the repository") from None
    if engine.unconsumed_tail or engine.unused_data or not engine.eof:
        raise BadRecord(f"{path} is cut short, or holds more than {most} bytes")
    return data


def _read_entry(path: Path) -> BoardEntry:
    try:
        submission, problems = Submission.parse(read_regular(path / FORM, MOST_FORM).decode())
    except (FileNotFoundError, UnicodeDecodeError):
        raise BadRecord(f"{path} has no {FORM} in UTF-8; bring it back or remove the entry") from None
    if submission is None:
        raise BadRecord(f"{path}/{problems[0]}")
    try:
        verification = Verification.read(path / VERIFICATION)
    except FileNotFoundError:
        raise BadRecord(f"{path} has no {VERIFICATION}; bring it back or remove the entry") from None
    if {submission.id, verification.submission} != {path.name}:
        raise BadRecord(f"{path} holds the entry of {submission.id!r}; an entry is named by its id")
    runs = []
    for own in verification.runs:
        run = BoardRun(path / RUNS / own.folder, own)
        if not _FOLDER.fullmatch(own.folder) or not run.manifest.is_file():
            raise BadRecord(f"{path}: its run {ascii(own.folder)[1:80]} is not there; bring it back")
        runs.append(run)
    return BoardEntry(path, submission, verification, tuple(runs))


def _admit_run(place: Path, folder: Path) -> None:
    place.mkdir(parents=True)
    for name in ("manifest.json", "scores.json"):
        write_whole(place / name, read_regular(folder / name, MOST_SMALL))
    for name in ("predictions.jsonl", "timings.jsonl"):
        write_whole(place / f"{name}.gz", packed(read_regular(folder / name, MOST_FILE)))
    if (folder / TRAINING).exists():
        write_whole(place / TRAINING, read_regular(folder / TRAINING, MOST_SMALL))


def _admit_baseline(place: Path, path: Path) -> None:
    """Add a baseline's lines to the board's."""
    kept = place / f"{path.name}.gz"
    held = _held(kept)
    whole = _grown(held, path)
    if len(whole) > len(held[0]) or not kept.exists():
        write_whole(kept, packed(b"".join(whole)))


def _held(kept: Path) -> Lines:
    """The lines of a board's own file of a baseline."""
    return unpacked(kept).splitlines(keepends=True) if kept.exists() else [], kept


def _grown(held: Lines, path: Path) -> list[bytes]:
    """Those lines with the lines of another baseline. Raises `BenchError` where a case has two readings."""
    if not _BASELINE.fullmatch(path.name):
        raise BenchError(f"{path} is not named as a baseline is")
    lines = read_regular(path, MOST_BYTES).splitlines(keepends=True)
    remedy = "verify on the machine that made it, or make the board's entries of that backbone anew"
    return joined(held, (lines, path), remedy)
