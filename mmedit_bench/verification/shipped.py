"""The editor's side of a submission that ships its edit values: no code of the submitter runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from safetensors.torch import load as deserialised

from mmedit_bench.cases import EditRequest
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.editor_side import Carried, EditFailed, opaque_id
from mmedit_bench.interventions import Edit, Shared
from mmedit_bench.protocols.steps import Apply
from mmedit_bench.runs.records import Applied
from mmedit_bench.submissions.checks_run import ExaminedRun
from mmedit_bench.submissions.edit_files import described_by, edit_path, shared_path
from mmedit_bench.submissions.hostile import Contents


class Shipped:
    """A `harness.editor_side.EditorSide` that hands out the edits of a submission, step by step.

    It is walked unit by unit in the order of the schedule, from whatever unit it was told to begin at.
    """

    def __init__(self, contents: Contents, run: ExaminedRun, fingerprint: str) -> None:
        """`fingerprint` is that of the run that is walked: requests reach this side under its ids."""
        self._contents, self._run, self._fingerprint = contents, run, fingerprint
        self._shared: dict[str, Shared] = {}
        self._errors = {
            (record.unit, record.step): record.error or "it failed"
            for record in run.records
            if isinstance(record, Applied) and record.status == "failed"
        }
        self.begin(0)

    def begin(self, unit: int) -> None:
        """The next unit that is walked is number `unit` of the schedule."""
        self._unit = unit
        self._steps: Iterator[tuple[int, Apply]] | None = None

    def ready(self, progress: Progress) -> Mapping[str, Any] | None:
        artefact = self._run.manifest.artefact
        return None if artefact is None else {"sha256": artefact}

    def make(self, request: EditRequest, carried: Sequence[Carried], seed: int) -> Edit:
        unit = self._run.schedule[self._unit]
        if self._steps is None:
            self._steps = ((at, step) for at, step in enumerate(unit.steps) if isinstance(step, Apply))
        index, step = next(self._steps)
        if opaque_id(self._fingerprint, step.request.id) != request.id:
            raise BenchError(f"unit {unit.id} is walked in another order than the submission's")
        if (unit.id, index) in self._errors:
            raise EditFailed(self._errors[unit.id, index].removeprefix("edit: "))
        return self._edit(edit_path(self._run.folder, self._unit, index))

    def forget(self) -> None:
        self.begin(self._unit + 1)

    def _edit(self, path: str) -> Edit:
        wanted = described_by(self._contents.notes[path]).shared
        for digest in wanted - self._shared.keys():
            part = Shared(deserialised(self._contents.again(shared_path(self._run.folder, digest))))
            if part.digest != digest:
                raise BadRecord(f"the shared part {digest[:12]} has another content than its name says")
            self._shared[digest] = part
        return Edit.from_bytes(self._contents.again(path), self._shared)
