"""The folder of a submission: what stands where, and how it comes to stand there whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmedit_bench.errors import BenchError, naming
from mmedit_bench.runs.files import make_folder
from mmedit_bench.submissions import digests, form
from mmedit_bench.submissions.board_folder import CARD
from mmedit_bench.submissions.cards import card_of
from mmedit_bench.submissions.digests import Digests, digests_of
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submissions.package import EditorPackage, Source
from mmedit_bench.submissions.placing import put_in_place

RUN_FILES = ("manifest.json", "predictions.jsonl", "timings.jsonl")
"""What is submitted of a run. Scores and baseline are made anew by whoever verifies."""
SHARED = "shared"
"""Folder of what several edits of a run refer to, beside them."""


def edit_file(unit: int, step: int) -> str:
    """The name of the file with the edit that a step made; `unit` is the unit's index in the schedule."""
    return f"{unit:06d}-{step:06d}.safetensors"


class SubmissionFolder:
    """Paths of a submission."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.form = path / form.FILE
        self.digests = path / digests.FILE
        self.environment = path / "environment.txt"
        self.card = path / CARD
        self.runs = path / "runs"
        self.edits = path / "edits"
        self.package = path / "package"

    def is_one(self) -> bool:
        """Whether there is a submission, as far as its files' names tell."""
        return self.form.is_file() and self.digests.is_file()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a submission is put together from."""

    submission: Submission
    package: EditorPackage
    ships_package: bool
    environment: str
    runs: Sequence[Path]
    """Folders of runs."""
    edits: Mapping[str, Mapping[str, Path]]
    """By name of a run's folder: paths relative to its folder of edits, and where the files are now."""
    scorer: str
    suites: Mapping[str, str]
    backbones: Mapping[str, str]


def assembled(parts: Parts, out: Path) -> tuple[Path, bool]:
    """Put a submission into the folder `out`/<id>, and say whether anything is new about it.

    An earlier version of it is replaced once this one is whole, and stays if that fails. Raises
    `BenchError` for a folder of that name that is no submission, and `BadRecord` for what is larger than
    a submission may be.
    """
    place = SubmissionFolder(out / parts.submission.id)
    if place.path.is_symlink() or (place.path.exists() and not place.is_one()):
        raise BenchError(f"{place.path} is there and is no submission; move it away or name another --out")
    make_folder(out)
    with naming(out):
        made = Path(tempfile.mkdtemp(prefix=f".{parts.submission.id}-", dir=out))
    try:
        text = _filled(SubmissionFolder(made), parts)
        if place.is_one() and place.digests.read_text(encoding="utf-8") == text:
            return place.path, False
        with naming(place.path):
            made.chmod(0o755)
            put_in_place(made, place.path)
        return place.path, True
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _filled(place: SubmissionFolder, parts: Parts) -> str:
    """Write all files; returns the text of digests.json."""
    _write(place.form, parts.submission.text().encode())
    _write(place.environment, parts.environment.encode())
    if (card := card_of(parts.package)) is not None:
        _write(place.card, card.encode())
    for run in parts.runs:
        for name in RUN_FILES:
            if (run / name).exists():  # a run without an edit has cost nothing
                _write(place.runs / run.name / name, run / name)
    for run_name, files in parts.edits.items():
        for name, file in files.items():
            _write(place.edits / run_name / name, file)
    if parts.ships_package:
        for name, source in parts.package.sources.items():
            _write(place.package / name, source)
    found = Digests(
        files=digests_of(place.path),
        package={
            "name": parts.package.distribution,
            "version": parts.package.version,
            "sha256": parts.package.sha256,
        },
        scorer=parts.scorer,
        suites=parts.suites,
        backbones=parts.backbones,
    )
    _write(place.digests, found.text().encode())
    return found.text()


def _write(path: Path, source: Source) -> None:
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            path.write_bytes(source)
        else:
            shutil.copyfile(source, path, follow_symlinks=False)
