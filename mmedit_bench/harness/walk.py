"""One unit of a schedule, step by step."""

from __future__ import annotations

import hashlib
import random
import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mmedit_bench.cases import EditCase, EditRequest
from mmedit_bench.errors import WeightsChanged
from mmedit_bench.harness.asking import Replies, ask, sealed_request, writable
from mmedit_bench.harness.baseline import BeforeStore
from mmedit_bench.harness.guard import WeightGuard
from mmedit_bench.protocols.steps import Apply, Ask, Unit
from mmedit_bench.runs.records import AskRecord, ProbeRecord

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.editors import Editor
    from mmedit_bench.interventions import Edit

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")
_LONGEST_ERROR = 1000


class Walked(NamedTuple):
    """What a unit leaves behind."""

    records: list[AskRecord]
    timings: list[dict[str, Any]]
    """One per `Apply`: seconds of wall time and bytes of the edit."""


class Walker:
    """Walks units with one editor on one unedited backbone."""

    def __init__(self, base: Backbone, editor: Editor, before: BeforeStore, guard: WeightGuard) -> None:
        self._base = base
        self._editor = editor
        self._before = before
        self._guard = guard

    def walk(self, unit: Unit) -> Walked:
        """Run the unit's steps. Raises `WeightsChanged` as soon as an edit is seen to write to the model."""
        walked = Walked([], [])
        edits: list[tuple[str, Edit]] = []
        failures: dict[str, str] = {}
        last = unit.asks[-1][0]
        for index, step in enumerate(unit.steps):
            if isinstance(step, Apply):
                timing = self._apply(step.request, edits, failures)
                walked.timings.append({"unit": unit.id, "step": index, "case": step.request.id, **timing})
                self._guard.watch(f"after edit {step.request.id}")
            elif isinstance(step, Ask):
                walked.records.append(self._ask(unit.id, index, step.case, edits, failures, index == last))
                self._guard.watch(f"after asking case {step.case.id}")
            else:
                edits.clear()
                failures.clear()
        return walked

    def _apply(
        self, request: EditRequest, edits: list[tuple[str, Edit]], failures: dict[str, str]
    ) -> dict[str, Any]:
        carrying = self._base.edited(*(edit for _, edit in edits))
        started = time.perf_counter()
        edit: Edit | None = None
        failures.pop(request.id, None)
        try:
            edit = self._editor.edit(carrying, sealed_request(request))
            self._base.edited(edit)  # raises if it is no edit
            edits.append((request.id, edit))
        except WeightsChanged:
            raise
        except (Exception, SystemExit) as error:  # a third party's code may raise anything
            failures[request.id] = described("edit", error)
        seconds = time.perf_counter() - started
        return {"seconds": round(seconds, 6), "edit_bytes": getattr(edit, "nbytes", None)}

    def _ask(
        self,
        unit: str,
        index: int,
        case: EditCase,
        edits: Sequence[tuple[str, Edit]],
        failures: dict[str, str],
        last: bool,
    ) -> AskRecord:
        before = self._before.replies(case.probes)
        acting, error = list(edits), failures.get(case.id)
        while True:
            try:
                after = ask(self._base.edited(*(edit for _, edit in acting)), case.probes)
                break
            except WeightsChanged:
                raise
            except (Exception, SystemExit) as problem:
                # An edit may be well formed and still break the model (a context too long for it).
                if not acting:
                    raise
                name, _ = acting.pop()
                error = error or described(f"asking with edit {name}", problem)
        return AskRecord(
            unit=unit,
            step=index,
            case=case.id,
            edits=tuple(name for name, _ in acting),
            status="failed" if error else "ok",
            error=error,
            probes=_joined(case, before, after),
            last=last,
        )


def _joined(case: EditCase, before: Replies, after: Replies) -> tuple[ProbeRecord, ...]:
    return tuple(
        ProbeRecord(probe.id, now.answer, now.argmax, target, then)
        for probe, now, target, then in zip(
            case.probes, after.readings, after.targets, before.readings, strict=True
        )
    )


def described(doing: str, error: BaseException) -> str:
    """One line for the record, without memory addresses: the same error must read the same."""
    text = _ADDRESS.sub("0x…", f"{doing}: {type(error).__name__}: {error}")
    return writable(" ".join(text.split())[:_LONGEST_ERROR])


def seed_everything(seed: int, purpose: str) -> None:
    """Seed Python, NumPy and PyTorch from the run's seed and a purpose (a unit's id).

    A unit then draws the same numbers whether or not others ran before it in this process.
    """
    value = int.from_bytes(hashlib.sha256(f"{seed}\n{purpose}".encode()).digest()[:4], "big")
    random.seed(value)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(value)
    if torch := sys.modules.get("torch"):  # one that was never imported has drawn nothing
        torch.manual_seed(value)
