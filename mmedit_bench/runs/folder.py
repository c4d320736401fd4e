"""The folder of one run: manifest, predictions, timings, and the lock that keeps writers apart.

The manifest is written whole, in one rename, before the first prediction. Predictions are only
appended. Both are the same bytes for every run of the same spec, however often it was interrupted;
timings are not, and so no result depends on them.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.runs.records import AskRecord, Reader, lines_of, read_predictions
from mmedit_bench.runs.spec import RECIPE, RunSpec, canonical

log = logging.getLogger(__name__)

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SelectionSummary:
    """How the cases of a run came about."""

    considered: int
    """Cases whose request was put to the unedited backbone."""
    already_right: int
    """Those it answered with the target, which are left out."""
    cases: tuple[str, ...]
    """Ids of those kept, in order."""

    @property
    def kept(self) -> int:
        """Number of cases kept."""
        return len(self.cases)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run is going to do: its spec, its cases and how much there is."""

    spec: RunSpec
    selection: SelectionSummary
    units: int
    asks: int
    control: bool = False
    """Whether the editor calls itself a mark on the scale rather than a method."""

    def text(self) -> str:
        """manifest.json."""
        values = {
            "schema": SCHEMA,
            "fingerprint": self.spec.fingerprint,
            "fingerprint_recipe": RECIPE,
            "spec": self.spec.as_dict(),
            "selection": {**asdict(self.selection), "kept": self.selection.kept},
            "units": self.units,
            "asks": self.asks,
            "control": self.control,
        }
        return json.dumps(values, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `BadRecord` for a file that is damaged, edited or of another version."""
        try:
            values = json.loads(path.read_bytes())
            if (values["schema"], values["fingerprint_recipe"]) != (SCHEMA, RECIPE):
                raise BadRecord(f"{path} was written by another version of mmedit-bench; use that one")
            kept = values["selection"]
            selection = SelectionSummary(kept["considered"], kept["already_right"], tuple(kept["cases"]))
            spec = RunSpec.from_dict(values["spec"])
            manifest = cls(spec, selection, values["units"], values["asks"], values["control"])
            contradiction = json.loads(manifest.text()) != values
        except BadRecord:
            raise
        except (OSError, ValueError, KeyError, TypeError, BenchError) as error:
            raise BadRecord(f"{path} cannot be read: {type(error).__name__}: {error}") from None
        if contradiction:
            raise BadRecord(f"{path}: fingerprint or counts contradict the rest; it was changed by hand")
        return manifest


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as its folder tells it."""

    manifest: Manifest
    units: tuple[tuple[AskRecord, ...], ...]

    @property
    def asks(self) -> tuple[AskRecord, ...]:
        """All records, in order."""
        return tuple(record for unit in self.units for record in unit)

    @property
    def complete(self) -> bool:
        """Whether every unit of the schedule is recorded."""
        return len(self.units) == self.manifest.units

    @property
    def failed(self) -> int:
        """Number of asks whose edit failed."""
        return sum(record.status == "failed" for record in self.asks)


def read_run(folder: Path) -> RunState:
    """A run, complete or not, without changing anything. Raises `BadRecord`."""
    run = RunFolder(folder)
    if not run.manifest.exists():
        raise BadRecord(f"{folder} is not a run: it has no manifest.json")
    state = RunState(Manifest.read(run.manifest), read_predictions(run.predictions).units)
    if len(state.units) > state.manifest.units or len(state.asks) > state.manifest.asks:
        raise BadRecord(f"{run.predictions} holds more than manifest.json announces")
    return state


class RunFolder:
    """Paths and writing of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.json"
        self.predictions = path / "predictions.jsonl"
        self.timings = path / "timings.jsonl"
        self.artefact = path / "artefact.json"

    @contextmanager
    def writing(self) -> Iterator[Self]:
        """Make the folder and hold its lock. Raises `BenchError` if another process holds it.

        The lock is advisory and ends with the process, so a killed run never blocks the next.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise BenchError(
                    f"{self.path} is being written by process {holder}; wait for it or end it"
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield self

    def announce(self, manifest: Manifest) -> None:
        """Write the manifest, whole or not at all."""
        beside = self.manifest.with_name(".manifest.json.new")
        with beside.open("wb") as file:
            file.write(manifest.text().encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.manifest)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def describe_artefact(self, summary: Mapping[str, Any]) -> None:
        """Say which training the editor's answers rest on. For people: no number depends on the file."""
        text = json.dumps(dict(summary), sort_keys=True, indent=1) + "\n"
        self.artefact.write_text(text, encoding="utf-8")

    def resume(self) -> Reader:
        """What is already recorded. Cuts off the tail that a killed writer left."""
        found = read_predictions(self.predictions)
        if found.torn:
            log.warning("%s: dropping %d bytes of an unfinished unit", self.predictions, found.torn)
            os.truncate(self.predictions, found.size)
        if not self.predictions.exists():
            self.predictions.touch()
        return found

    def append(self, records: Iterable[AskRecord], timings: Iterable[Mapping[str, Any]]) -> None:
        """Add whole units and their timings, in one write each; the predictions are on disk on return."""
        with self.predictions.open("ab", buffering=0) as file:
            _write_all(file.fileno(), lines_of(records))
            os.fsync(file.fileno())
        with self.timings.open("ab", buffering=0) as file:
            # The line feed in front ends a line that a killed writer may have left torn.
            text = "".join(canonical(dict(item)) + "\n" for item in timings)
            _write_all(file.fileno(), (("" if _ends_line(self.timings) else "\n") + text).encode())


def _write_all(descriptor: int, data: bytes) -> None:
    while data:  # a raw write may be short, for instance on a full disk
        data = data[os.write(descriptor, data) :]


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
        return not size or file.read(1) == b"\n"
