"""A board folder as it lies on disk: its head, its entries, and where their runs are."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.baseline import path_of
from mmedit_bench.runs.files import MOST_BYTES, parsed, read_regular
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.submissions.form import Submission

STATUSES = ("verified", "checked", "reference")
PROBES = ("public", "blind")
RELEASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST_CARD = 1 << 18


@dataclass(frozen=True, slots=True)
class Head:
    """What board.yaml says of the whole board."""

    title: str
    url: str | None
    """Where the site is published, without a slash at the end; None if that is not known."""
    description: str
    release: str | None
    date: str | None


@dataclass(frozen=True, slots=True)
class VerifiedRun:
    """What the verification says of one run."""

    folder: Path
    fingerprint: str
    probes: str
    """One of `PROBES`."""
    sample: Mapping[str, int] | None
    """How many edits were made again, and how many came out equal; None where none was."""
    commitment: str | None
    """sha256 of the secret that the probes were drawn by."""


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """One entry's files, read."""

    submission: Submission
    status: str
    """One of `STATUSES`."""
    verified: str
    """The day of the verification."""
    by: str
    digest: str | None
    card: str | None
    runs: tuple[VerifiedRun, ...]


def read_head(board: Path) -> Head:
    """board.yaml. Raises `BadRecord` naming the field."""
    path = board / "board.yaml"
    try:
        values = yaml.safe_load(read_regular(path))
    except FileNotFoundError:
        raise BadRecord(f"{path} is not there; a board folder begins with it (see docs/board.md)") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadRecord(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise BadRecord(f"{path} holds no mapping; write title, url, description and release")
    release = values.get("release") or {}
    if not isinstance(release, dict):
        raise BadRecord(f"{path}#release: it must hold name and date, or be left out")
    given = {
        "title": values.get("title"), "url": values.get("url"),
        "description": values.get("description") or "",
        "release": release.get("name"), "date": release.get("date"),
    }  # fmt: skip
    texts = {name: None if value is None else str(value) for name, value in given.items()}
    if not texts["title"]:
        raise BadRecord(f"{path}#title: it is missing; say what the board is called")
    url = texts["url"]
    if url is not None and not re.fullmatch(r"https?://[^\s\"'<>]+", url):
        raise BadRecord(f"{path}#url: {url!r} is no address; write https://…, or null")
    if texts["release"] is not None and not RELEASE_NAME.fullmatch(texts["release"]):
        raise BadRecord(f"{path}#release: a name has up to 40 letters, digits and . _ -")
    if texts["date"] is not None and not DAY.fullmatch(texts["date"]):
        raise BadRecord(f"{path}#release: its date is {texts['date']!r}; write it as YYYY-MM-DD")
    return Head(
        str(texts["title"]), None if url is None else url.rstrip("/"), str(texts["description"]),
        texts["release"], texts["date"],
    )  # fmt: skip


def entry_folders(board: Path) -> list[Path]:
    """The folders of all entries, in the order of their ids."""
    folder = board / "entries"
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def read_entry(folder: Path) -> FolderEntry:
    """One entry. Raises `BadRecord` naming the file and the field at fault."""
    text = _text(folder / "submission.yaml")
    submission, problems = Submission.parse(text, str(folder / "submission.yaml"))
    if submission is None:
        raise BadRecord("; ".join(map(str, problems)))
    if submission.id != folder.name:
        raise BadRecord(f"{folder / 'submission.yaml'}#id: it is {submission.id!r}, the folder's name is not")
    path = folder / "verification.json"
    try:
        values = parsed(_text(path))
        if values["submission"] != submission.id or values["status"] not in STATUSES:
            raise BadRecord(f"submission or status contradict {submission.id!r} and {', '.join(STATUSES)}")
        return FolderEntry(
            submission, values["status"], str(values["date"]), str(values["by"]), values["digest"],
            _card(folder / "card.md"), tuple(_run(folder, run) for run in values["runs"]),
        )  # fmt: skip
    except BadRecord as error:
        raise BadRecord(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"{path} cannot be read: {type(error).__name__}: {error}; verify again") from None


def _run(folder: Path, values: Mapping[str, Any]) -> VerifiedRun:
    name = values["folder"]
    if Path(name).name != name or name in (".", "..") or not (folder / "runs" / name).is_dir():
        raise BadRecord(f"there is no run {name!r} in {folder / 'runs'}")
    if values["probes"] not in PROBES:
        raise BadRecord(f"run {name}: probes is {values['probes']!r}, not one of {', '.join(PROBES)}")
    return VerifiedRun(
        folder / "runs" / name,
        values["fingerprint"],
        values["probes"],
        values["sample"],
        values["commitment"],
    )


def baseline_of(board: Path, spec: RunSpec) -> Path:
    """Where the readings of the unedited backbone lie that a run is measured against."""
    plain = path_of(board / "baselines", spec)
    return plain.with_name(f"{plain.name}.gz")


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a gzip file, one at a time. Raises `BadRecord` for one that is damaged or too large."""
    data = read_regular(path, MOST_BYTES)
    read = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            for line in file:
                read += len(line)
                if read > MOST_BYTES:
                    raise BadRecord(f"{path} unpacks to more than {MOST_BYTES} bytes")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise BadRecord(f"{path} is no whole gzip file: {error}") from None


def objects_of(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a gzip file, line by line. Raises `BadRecord` naming file and line."""
    for number, line in enumerate(lines_of(path), start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise BadRecord(f"{path}, line {number}: {error}; admit the run again") from None


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode()
    except FileNotFoundError:
        raise BadRecord(f"{path} is not there") from None
    except UnicodeDecodeError:
        raise BadRecord(f"{path} is not UTF-8") from None


def _card(path: Path) -> str | None:
    try:
        return read_regular(path, _MOST_CARD).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
