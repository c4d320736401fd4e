"""From segments finished in any order, by any process, to records in order.

A worker leaves each finished segment as a file of its own, under a name that says which it is. One
committer, which holds the run's lock, appends those whose turn it is to the records and removes
their files. Killed at any moment, nothing that was finished is lost and nothing counts twice.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord, FailedFast, NotSavable, naming
from mmedit_bench.harness.editor_side import Carried
from mmedit_bench.harness.plan import Plan
from mmedit_bench.protocols.steps import in_force
from mmedit_bench.runs.files import MOST_BYTES, make_folder, parsed, read_regular, write_whole
from mmedit_bench.runs.folder import RunFolder
from mmedit_bench.runs.records import Applied, Asked, StepRecord, lines_of, read_lines
from mmedit_bench.runs.spec import canonical
from mmedit_bench.scoring.checking import compare

_NAME = re.compile(r"(\d{6})-(\d{6})\.segment")


class Bench:
    """Where workers lay down what is finished: the folder `work` of a run."""

    def __init__(self, folder: RunFolder, kinds: Sequence[str]) -> None:
        self._path = folder.work
        self._kinds = kinds

    def put(
        self, index: int, number: int, records: Sequence[StepRecord], timings: Iterable[Mapping[str, Any]]
    ) -> None:
        """Lay down segment `number` of unit `index`; it is on disk on return."""
        make_folder(self._path)
        head = canonical(list(map(dict, timings))) + "\n"
        write_whole(self._file(index, number), head.encode() + lines_of(records, self._kinds))

    def take(self, index: int, number: int) -> tuple[tuple[StepRecord, ...], list[dict[str, Any]]] | None:
        """A segment that was laid down, or None. Raises `BadRecord` for a damaged one."""
        path = self._file(index, number)
        try:
            data = read_regular(path, MOST_BYTES)
        except FileNotFoundError:
            return None
        head, _, lines = data.partition(b"\n")
        found = read_lines(lines, self._kinds, str(path))
        if len(found.segments) != 1 or found.torn:
            raise BadRecord(f"{path} does not hold one segment; remove it and run again")
        return found.segments[0], parsed(head)

    def remove(self, index: int, number: int) -> None:
        """Once it is among the records."""
        with naming(self._file(index, number)):
            self._file(index, number).unlink(missing_ok=True)

    def waiting(self) -> frozenset[tuple[int, int]]:
        """Units and segments that are laid down."""
        names = (path.name for path in self._path.glob("*.segment"))
        return frozenset((int(m[1]), int(m[2])) for name in names if (m := _NAME.fullmatch(name)))

    def keep(self, index: int, carried: Sequence[Carried]) -> None:
        """Save the edits in force in an unfinished unit, each once.

        An edit that no file can carry is left out: the unit then makes its edits again.
        """
        place = self._edits(index)
        make_folder(place)
        for one in carried:
            path = place / f"{one.step:06d}.safetensors"
            if path.exists():
                continue
            unfinished = place / f"{one.step:06d}.unfinished"
            try:
                with naming(path):
                    one.edit.save(unfinished)
                    unfinished.replace(path)
            except NotSavable:
                continue
            finally:
                unfinished.unlink(missing_ok=True)

    def kept(self, index: int, wanted: Sequence[tuple[int, str]]) -> tuple[Carried, ...] | None:
        """The edits that steps made for cases, in order; None unless all of them were kept."""
        from mmedit_bench.interventions import Edit

        place = self._edits(index)
        paths = [place / f"{step:06d}.safetensors" for step, _ in wanted]
        if not all(path.is_file() for path in paths):
            return None
        return tuple(
            Carried(step, case, Edit.load(path)) for (step, case), path in zip(wanted, paths, strict=True)
        )

    def finished(self, index: int) -> None:
        """A unit is recorded to its end: its edits go."""
        shutil.rmtree(self._edits(index), ignore_errors=True)

    def clear(self) -> None:
        """The run is complete."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _file(self, index: int, number: int) -> Path:
        return self._path / f"{index:06d}-{number:06d}.segment"

    def _edits(self, index: int) -> Path:
        return self._path / f"{index:06d}.edits"


class Committer:
    """Appends what is next. Only who holds the run's lock may have one."""

    def __init__(self, folder: RunFolder, plan: Plan, *, fail_fast: bool = False) -> None:
        """Reads what is recorded, and mends a torn end. Raises `BadRecord` if it is not the schedule's.

        With `fail_fast`, `advance` raises `FailedFast` once a failed edit is among the records.
        """
        self._folder = folder
        self._plan = plan
        self._planned = plan.segments
        self.bench = Bench(folder, plan.spec.evidence)
        recorded = folder.resume(plan.manifest).segments
        compare(plan.manifest, recorded, plan.schedule)
        self.done = len(recorded)
        """Segments recorded."""
        self._fail_fast = fail_fast
        self._failed: set[tuple[str, int]] = set()
        self._first: str | None = None
        """The first edit that failed, in words."""
        for segment in recorded:
            self._note(segment)

    def pending(self) -> list[tuple[int, int]]:
        """Units with something left to walk, each with its first segment that is not finished."""
        laid, first = self.bench.waiting(), dict[int, int]()
        for index, number in self._planned[self.done :]:
            if index not in first and (index, number) not in laid:
                first[index] = number
        return list(first.items())

    def failures(self, index: int) -> frozenset[int]:
        """Steps of a unit that made no edit, among what is recorded or laid down."""
        unit = self._plan.schedule[index]
        steps = {step for name, step in self._failed if name == unit.id}
        for number in range(len(unit.segments)):
            laid = self.bench.take(index, number)
            for record in laid[0] if laid else ():
                if isinstance(record, Applied) and record.status == "failed":
                    steps.add(record.step)
        return frozenset(steps)

    def advance(self) -> int:
        """Append all segments whose turn it is; returns how many there were."""
        records = b""
        timings: list[dict[str, Any]] = []
        taken: list[tuple[int, int]] = []
        for index, number in self._planned[self.done :]:
            laid = self.bench.take(index, number)
            if laid is None:
                break
            own, costs = laid
            unit = self._plan.schedule[index]
            if own[0].unit != unit.id or [r.step for r in own] != list(unit.segments[number]):
                raise BadRecord(f"{self._folder.work}: a segment is not of this run; remove the folder")
            self._note(own)
            records += lines_of(own, self._plan.spec.evidence)
            timings += costs
            taken.append((index, number))
        if taken:
            self._folder.append(records)
            self.done += len(taken)  # whatever fails from here on: these are recorded
            self._folder.append_timings(timings)
            for index, number in taken:
                self.bench.remove(index, number)
                if number == len(self._plan.schedule[index].segments) - 1:
                    self.bench.finished(index)
        if self._fail_fast and self._first and not self.complete:
            raise FailedFast(
                f"{self._folder.path}: {self._first}. The run ends at its first failed edit, and what was "
                "done is kept; without --fail-fast it goes on"
            )
        return len(taken)

    def _note(self, segment: Sequence[StepRecord]) -> None:
        """Remember what failed in a segment that is recorded, or about to be."""
        for record in segment:
            if failed := failure(record):
                self._first = self._first or failed
            if isinstance(record, Applied) and record.status == "failed":
                self._failed.add((record.unit, record.step))

    @property
    def complete(self) -> bool:
        """Whether every segment is recorded."""
        return self.done == len(self._planned)


def failure(record: StepRecord) -> str | None:
    """An edit that could not be made or did not act, in words; None for any other record."""
    match record:
        case Applied(status="failed", request=id, error=error) | Asked(status="failed", case=id, error=error):
            return f"the edit of {id} failed ({error})"
    return None


def carried_at(
    bench: Bench, plan: Plan, index: int, number: int, failed: frozenset[int]
) -> tuple[Carried, ...] | None:
    """The edits in force ahead of a segment, as kept; None if one of them was not."""
    if number == 0:
        return ()
    unit = plan.schedule[index]
    return bench.kept(index, in_force(unit, unit.segments[number].start, failed))
