"""The two sides of a run, and the narrow channel between them.

On one side stands who asks and records. On the other stands the editor: it is handed the training
split, a backbone and requests under ids that mean something to this run only, and gives back edits.
The sides may share a process, or live in two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mmedit_bench.cases import EditRequest
from mmedit_bench.errors import BenchError

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
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


class EditorSide(Protocol):
    """Who makes edits."""

    def make(self, request: EditRequest, carried: Sequence[Carried]) -> Edit:
        """The edit for a request, on top of those carried. May raise anything: the edit failed."""

    def forget(self) -> None:
        """The unit is over: what was made in it is not carried any more."""


class InProcess:
    """The editor in this very process: for editors that are trusted."""

    def __init__(self, editor: Editor, base: Backbone) -> None:
        self._editor = editor
        self._base = base

    def make(self, request: EditRequest, carried: Sequence[Carried]) -> Edit:
        edit: Any = self._editor.edit(self._base.edited(*(one.edit for one in carried)), request)
        self._base.edited(edit)  # raises if it is no edit
        if type(edit.nbytes) is not int or edit.nbytes < 0:
            raise BenchError(f"an edit says that it has {edit.nbytes!r} bytes")
        return edit  # type: ignore[no-any-return]

    def forget(self) -> None:
        pass


def opaque_id(fingerprint: str, case: str) -> str:
    """The id under which an editor is handed a case's request in a run."""
    return hashlib.sha256(f"{fingerprint}\n{case}".encode()).hexdigest()[:16]
