"""The two sides of a run, and the narrow channel between them.

On one side stands who asks and records. On the other stands the editor: it is handed the training
split, a backbone and requests under ids that mean something to this run only, and gives back edits.
The sides may share a process, or live in two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmedit_bench.cases import EditRequest
from mmedit_bench.errors import BenchError
from mmedit_bench.harness.artefacts import Progress
from mmedit_bench.harness.deadline import Late, deadline
from mmedit_bench.harness.ready import made_ready
from mmedit_bench.harness.seeds import sow

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.datasets.suite import Suite
    from mmedit_bench.editors import Editor
    from mmedit_bench.interventions import Edit


@dataclass(frozen=True, slots=True)
class Carried:
    """An edit in force."""

    step: int
    """The step of the unit that made it."""
    case: str
    """Id of the case; the editor's side knows the request under another."""
    edit: Edit


class EditFailed(Exception):
    """An edit that could not be made, in the words of the other side: kind of error, then message."""


class EditorLost(BenchError):
    """The editor's side cannot be brought back: no further edit of this run can be made for now."""


class EditorSide(Protocol):
    """Who makes edits."""

    def ready(self, progress: Progress) -> Mapping[str, Any] | None:
        """Have the editor learn what it needs, before the first edit.

        Returns what is told of its training, with the `sha256` of what was learned; None for an
        editor that is not trained.
        """

    def make(self, request: EditRequest, carried: Sequence[Carried], seed: int) -> Edit:
        """The edit for a request, on top of those carried; `seed` is for all that is random in it.

        May raise anything: the edit failed. `WeightsChanged` and `EditorLost` end the run.
        """

    def forget(self) -> None:
        """The unit is over: what was made in it is not carried any more."""


class InProcess:
    """The editor in this very process: for editors that are trusted."""

    def __init__(
        self,
        editor: Editor,
        base: Backbone,
        suite: Suite,
        *,
        seed: int = 0,
        artefacts: Path | None = None,
        deadline: float | None = None,
        edits: bool = True,
    ) -> None:
        """`deadline` is the seconds that one edit may take; see `harness.deadline` for what it can end.

        Without `edits` the editor is only trained: a crew makes the edits.
        """
        self._edits = edits
        self._deadline = deadline
        self._editor = editor
        self._base = base
        self._suite = suite
        self._seed = seed
        self._artefacts = artefacts

    def ready(self, progress: Progress) -> Mapping[str, Any] | None:
        artefact = made_ready(
            self._editor, self._base, self._suite,
            seed=self._seed, artefacts=self._artefacts, progress=progress, edits=self._edits,
        )  # fmt: skip
        return artefact.summary() if artefact else None

    def make(self, request: EditRequest, carried: Sequence[Carried], seed: int) -> Edit:
        sow(seed)
        acting = self._base.edited(*(one.edit for one in carried))
        try:
            with deadline(self._deadline):
                edit: Any = self._editor.edit(acting, request)
        except Late as error:
            raise EditFailed(str(error)) from None
        self._base.edited(edit)  # raises if it is no edit
        return edit  # type: ignore[no-any-return]

    def forget(self) -> None:
        pass


def opaque_id(fingerprint: str, case: str) -> str:
    """The id under which an editor is handed a case's request in a run."""
    return hashlib.sha256(f"{fingerprint}\n{case}".encode()).hexdigest()[:16]
