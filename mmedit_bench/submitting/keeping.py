"""Edits of a run, kept as files, so that another may apply them and ask for himself.

The records of a run do not hold its edits. An editor's side does not know units or steps: while a run
goes on, an edit is kept under what decides it, its request and the edits in force. Afterwards the
schedule says which step each belongs to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.cases import EditRequest
from mmedit_bench.errors import BadRecord, Unusable, naming
from mmedit_bench.execution.crossing import is_data
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.editor_side import Carried, EditorLost, EditorSide, opaque_id
from mmedit_bench.harness.plan import Plan
from mmedit_bench.protocols.steps import Apply, in_force
from mmedit_bench.runs.files import make_folder, write_whole
from mmedit_bench.runs.folder import RunState
from mmedit_bench.runs.records import Applied
from mmedit_bench.submissions.folder import SHARED, edit_file
from mmedit_bench.submissions.limits import MOST_FILE

if TYPE_CHECKING:
    from mmedit_bench.interventions import Edit

INSTEAD = "submit it with --track code"


class EditNotData(EditorLost):
    """An edit that a submission of edits cannot hold; it ends the run, for the others are alike."""


class Keeping:
    """An editor's side that leaves every edit it makes in a folder. A `harness.editor_side.EditorSide`."""

    def __init__(self, side: EditorSide, folder: Path) -> None:
        self._side = side
        self._folder = folder

    def ready(self, progress: Progress) -> Mapping[str, Any] | None:
        return self._side.ready(progress)

    def make(self, request: EditRequest, carried: Sequence[Carried], seed: int) -> Edit:
        """Raises `EditNotData` for code and for what is too large, `EditorLost` if it cannot be written."""
        edit = self._side.make(request, carried, seed)
        data = _as_data(edit)
        try:
            make_folder(self._folder)
            for part in edit.shared().values():
                part.save(self._folder / SHARED)
            write_whole(self._folder / _key(request.id, ((one.step, one.case) for one in carried)), data)
        except Unusable as error:  # no fault of the edit: it must not count as failed
            raise EditorLost(str(error)) from None
        return edit

    def forget(self) -> None:
        self._side.forget()


def kept_edits(folder: Path, plan: Plan, state: RunState) -> dict[str, Path]:
    """All edits of a complete run: the paths that a submission has them under, and where they were kept.

    Raises `BadRecord` for one that is not there.
    """
    failed = {(r.unit, r.step) for r in state.records if isinstance(r, Applied) and r.status == "failed"}
    found: dict[str, Path] = {}
    for number, unit in enumerate(plan.schedule):
        mine = frozenset(step for name, step in failed if name == unit.id)
        for index, step in enumerate(unit.steps):
            if not isinstance(step, Apply) or index in mine:
                continue
            carried = [one for one in in_force(unit, index, mine) if one[1] not in step.beside]
            path = folder / _key(opaque_id(plan.spec.fingerprint, step.request.id), carried)
            if not path.is_file():
                raise BadRecord(
                    f"{folder} lacks the edit of {step.request.id}: the run {plan.spec.folder_name} was made "
                    "without its edits being kept; move its folder away and submit again"
                )
            found[edit_file(number, index)] = path
            for digest in _shared_of(path):
                part = folder / SHARED / f"{digest}.safetensors"
                found[f"{SHARED}/{part.name}"] = part
    return found


def _as_data(edit: Edit) -> bytes:
    """The edit as a file. Raises `EditNotData`."""
    for item in edit.interventions:
        if not is_data(item):
            kind = type(item).__name__
            what = f"a {kind} through a reader" if hasattr(item, "reader") else f"a {kind}"
            raise EditNotData(f"an edit holds {what}, which is code: track edits takes data only; {INSTEAD}")
    sizes = [edit.nbytes, *(part.nbytes for part in edit.shared().values())]
    if max(sizes) > MOST_FILE:
        raise EditNotData(
            f"an edit holds {max(sizes) >> 20} MiB, and a file of a submission at most {MOST_FILE >> 20}; "
            f"{INSTEAD}"
        )
    return edit.to_bytes()


def _key(request: str, carried: Iterable[tuple[int, str]]) -> str:
    """The file of an edit while its run goes on: an edit follows from its request and those in force."""
    lines = [request, *(f"{step} {case}" for step, case in carried)]
    return f"{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:40]}.safetensors"


def _shared_of(path: Path) -> set[str]:
    """Digests of the shared parts that a kept edit refers to, from the head of its file."""
    with naming(path), path.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    described = json.loads(head["__metadata__"]["edit"])["interventions"]
    return {digest for item in described for digest in item["shared"].values()}
