"""The folder of one run: manifest, predictions, timings, and the lock that keeps writers apart.

The manifest is written whole, in one rename, before the first prediction. Predictions are only
appended. Both are the same bytes for every run of the same spec, however often it was interrupted
and by however many processes it was carried out; timings are not, and so no result depends on them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from mmedit_bench.errors import BadRecord, BenchError, naming
from mmedit_bench.runs.files import append_all, make_folder, parsed, read_regular, write_whole
from mmedit_bench.runs.records import Applied, Asked, Measured, Reader, StepRecord, read_predictions
from mmedit_bench.runs.spec import RECIPE, RunSpec, canonical

log = logging.getLogger(__name__)

SCHEMA = 2


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
    """What a run is going to do: its spec, its cases and how much there is, and on what it rests."""

    spec: RunSpec
    selection: SelectionSummary
    units: int
    asks: int
    baseline: str
    """Digest of the part of the baseline that the run is measured against."""
    artefact: str | None = None
    """sha256 of what the editor has learned; None for one that is not trained."""
    control: bool = False
    """Whether the editor calls itself a mark on the scale rather than a method."""
    source: str = "unregistered"
    """Distribution and version that the editor comes from."""
    origin: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Where a published backbone's weights came from and how they were placed; what they are is in the spec
    as a digest."""

    def text(self) -> str:
        """manifest.json. Its seal is a digest of all the rest."""
        values = {
            "schema": SCHEMA,
            "fingerprint": self.spec.fingerprint,
            "fingerprint_recipe": RECIPE,
            "spec": self.spec.as_dict(),
            "selection": {
                **asdict(self.selection),
                "cases": list(self.selection.cases),
                "kept": self.selection.kept,
            },
            "units": self.units,
            "asks": self.asks,
            "baseline": self.baseline,
            "artefact": self.artefact,
            "control": self.control,
            "source": self.source,
            **({"origin": dict(self.origin)} if self.origin else {}),
        }
        sealed = values | {"seal": hashlib.sha256(canonical(values).encode()).hexdigest()}
        return json.dumps(sealed, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `BadRecord` for a file that is damaged, edited or of another version."""
        return cls.parse(read_regular(path), str(path))

    @classmethod
    def parse(cls, text: bytes, path: str) -> Self:
        """`read` of bytes at hand."""
        try:
            values = parsed(text)
            if (values["schema"], values["fingerprint_recipe"]) != (SCHEMA, RECIPE):
                raise BadRecord("it was written by another version of mmedit-bench; use that one")
            kept = values["selection"]
            selection = SelectionSummary(kept["considered"], kept["already_right"], tuple(kept["cases"]))
            manifest = cls(
                RunSpec.from_dict(values["spec"]),
                selection,
                values["units"],
                values["asks"],
                values["baseline"],
                values["artefact"],
                values["control"],
                values["source"],
                values.get("origin", {}),
            )
            _typed(manifest)
            contradiction = manifest.text().encode() != text
        except BadRecord as error:
            raise BadRecord(f"{path} cannot be read: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError, BenchError) as error:
            raise BadRecord(f"{path} cannot be read: {type(error).__name__}: {error}") from None
        if contradiction:
            raise BadRecord(f"{path}: seal or fingerprint contradict the rest; it was changed by hand")
        return manifest


def _typed(manifest: Manifest) -> None:
    """Refuse a manifest whose fields are of other types than a run writes."""
    kept = manifest.selection
    counts = (kept.considered, kept.already_right, manifest.units, manifest.asks)
    texts = (*kept.cases, manifest.baseline, manifest.source)
    if not all(type(count) is int and count >= 0 for count in counts):
        raise TypeError("a count is no number")
    if not all(isinstance(text, str) for text in texts) or not isinstance(manifest.artefact, str | None):
        raise TypeError("an id, a digest or the source is no text")
    if not isinstance(manifest.origin, dict):
        raise TypeError("the origin of the backbone is no mapping")
    if not isinstance(manifest.control, bool):
        raise TypeError("control is neither true nor false")


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as its folder tells it."""

    manifest: Manifest
    segments: tuple[tuple[StepRecord, ...], ...]

    @property
    def records(self) -> tuple[StepRecord, ...]:
        """All records, in order."""
        return tuple(record for segment in self.segments for record in segment)

    @property
    def asks(self) -> tuple[Asked, ...]:
        """The records of all asks, in order."""
        return tuple(record for record in self.records if isinstance(record, Asked))

    @property
    def measures(self) -> tuple[Measured, ...]:
        """The records of all measures, in order."""
        return tuple(record for record in self.records if isinstance(record, Measured))

    @property
    def finished_units(self) -> tuple[str, ...]:
        """Ids of the units that are recorded to their end."""
        return tuple(segment[-1].unit for segment in self.segments if segment[-1].closes == "unit")

    @property
    def complete(self) -> bool:
        """Whether every unit of the schedule is recorded."""
        return len(self.finished_units) == self.manifest.units

    @property
    def failed(self) -> int:
        """Number of edits that could not be made or acted."""
        applied = [r for r in self.records if isinstance(r, Applied) and r.status == "failed"]
        unasked = [r for r in self.asks if r.status == "failed"]
        return len({(r.unit, r.request) for r in applied} | {(r.unit, r.case) for r in unasked})


def read_run(folder: Path) -> RunState:
    """A run, complete or not, without changing anything. Raises `BadRecord`."""
    run = RunFolder(folder)
    if not run.manifest.exists():
        raise BadRecord(f"{folder} is not a run: it has no manifest.json")
    manifest = Manifest.read(run.manifest)
    return RunState(manifest, read_predictions(run.predictions, manifest.spec.evidence).segments)


class RunFolder:
    """Paths and writing of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.json"
        self.predictions = path / "predictions.jsonl"
        self.timings = path / "timings.jsonl"
        self.artefact = path / "artefact.json"
        self.work = path / "work"
        """What is finished but not in order yet, and the edits in force in unfinished units."""

    @contextmanager
    def writing(self) -> Iterator[Self]:
        """Make the folder and hold its lock. Raises `BenchError` if another process holds it.

        The lock is advisory and ends with the process, so a killed run never blocks the next.
        """
        make_folder(self.path)
        path = self.path / ".lock"
        with naming(path):
            lock = path.open("a+")
        with lock:
            self._take(lock)
            yield self

    def _take(self, lock: IO[str]) -> None:
        with naming(self.path / ".lock"):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise BenchError(
                    f"{self.path} is being written by process {holder}; wait for it or end it"
                ) from None
            os.ftruncate(lock.fileno(), 0)
            with suppress(OSError):  # on a full disk it is held all the same, by nobody in particular
                os.write(lock.fileno(), f"{os.getpid()}\n".encode())

    def announce(self, manifest: Manifest) -> None:
        """Write the manifest, whole or not at all."""
        write_whole(self.manifest, manifest.text().encode())

    def describe_artefact(self, summary: Mapping[str, Any]) -> None:
        """Say which training the editor's answers rest on, for people: the manifest has its digest."""
        write_whole(self.artefact, (json.dumps(dict(summary), sort_keys=True, indent=1) + "\n").encode())

    def resume(self, manifest: Manifest) -> Reader:
        """What is already recorded. Cuts off the tail that a killed writer left."""
        found = read_predictions(self.predictions, manifest.spec.evidence)
        if found.torn:
            log.warning("%s: dropping %d bytes of an unfinished segment", self.predictions, found.torn)
            with naming(self.predictions):
                os.truncate(self.predictions, found.size)
        if not self.predictions.exists():
            with naming(self.predictions):
                self.predictions.touch()
        return found

    def append(self, records: bytes) -> None:
        """Add whole segments, in one write; they are on disk on return. Raises `Unusable` with none added."""
        append_all(self.predictions, records)

    def append_timings(self, timings: Iterable[Mapping[str, Any]]) -> None:
        """Add what segments have cost, in one write."""
        # The line feed in front ends a line that a killed writer may have left torn.
        text = "".join(canonical(dict(item)) + "\n" for item in timings)
        append_all(self.timings, (("" if _ends_line(self.timings) else "\n") + text).encode(), sync=False)


def _ends_line(path: Path) -> bool:
    with naming(path):
        if not path.exists():
            return True
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
            return not size or file.read(1) == b"\n"
