"""One segment of a unit, step by step."""

from __future__ import annotations

import gc
import math
import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from mmedit_bench.cases import EditCase, EditRequest
from mmedit_bench.errors import BenchError, WeightsChanged, out_of_memory
from mmedit_bench.harness.asking import Replies, ask, sealed_request, writable
from mmedit_bench.harness.editor_side import Carried, EditFailed, EditorLost, EditorSide, opaque_id
from mmedit_bench.harness.guard import WeightGuard
from mmedit_bench.harness.seeds import seed_everything, seed_of
from mmedit_bench.plugins.registry import MEASURES
from mmedit_bench.protocols.steps import Apply, Ask, Measure, Restore, Undo, Unit
from mmedit_bench.runs.evidence import rounded
from mmedit_bench.runs.records import (
    Applied,
    Asked,
    Closes,
    Measured,
    ProbeRecord,
    Restored,
    StepRecord,
    Undone,
)

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")
_LONGEST_ERROR = 1000


class Walked(NamedTuple):
    """What a segment leaves behind."""

    records: list[StepRecord]
    timings: list[dict[str, Any]]
    """One per `Apply`: seconds of wall time and bytes of the edit."""
    carried: tuple[Carried, ...]
    """The edits in force at its end, in order."""


class Walker:
    """Walks segments with one editor on one unedited backbone."""

    def __init__(
        self,
        base: Backbone,
        side: EditorSide,
        guard: WeightGuard,
        *,
        fingerprint: str,
        kinds: Sequence[str],
        seed: int,
    ) -> None:
        self._base = base
        self._side = side
        self._guard = guard
        self._fingerprint = fingerprint
        self._kinds = kinds
        self._seed = seed

    def walk(self, unit: Unit, number: int, carried: Sequence[Carried] = ()) -> Walked:
        """Take the steps of segment `number`, with the edits that are in force ahead of it.

        Raises `WeightsChanged` as soon as an edit is seen to write to the model.
        """
        seed_everything(self._seed, unit.id if number == 0 else f"{unit.id}\n{number}")
        indices = unit.segments[number]
        records: list[StepRecord] = []
        timings: list[dict[str, Any]] = []
        now = tuple(carried)
        for index in indices:
            closes: Closes = None
            if index == indices[-1]:
                closes = "unit" if number == len(unit.segments) - 1 else "segment"
            head: dict[str, Any] = {"unit": unit.id, "step": index, "closes": closes}
            step = unit.steps[index]
            match step:
                case Apply(request=request):
                    edit, error, cost = self._apply(unit, index, request, now)
                    if edit is not None:
                        new = Carried(index, request.id, edit)
                        now = (*(one for one in now if one.case != request.id), new)
                    status = "failed" if error else "ok"
                    records.append(Applied(**head, request=request.id, status=status, error=error))  # type: ignore[arg-type]
                    timings.append({"unit": unit.id, "step": index, "case": request.id, **cost})
                    self._guard.watch(f"after edit {request.id}")
                case Ask(case=case, moment=moment):
                    records.append(self._ask(head, case, moment, now))
                    self._guard.watch(f"after asking case {case.id}")
                case Undo(request=id):
                    now = tuple(one for one in now if one.case != id)
                    records.append(Undone(**head, request=id))
                case Restore():
                    now = ()
                    records.append(Restored(**head))
                case Measure(measure=name, options=options, moment=moment):
                    acting = self._base.edited(*(one.edit for one in now))
                    values = _finite(name, MEASURES.load(name)(acting, **options))
                    records.append(Measured(**head, measure=name, moment=moment, values=values))
                    self._guard.watch(f"after measure {name}")
                case _:
                    assert_never(step)
        if number == len(unit.segments) - 1:
            self._side.forget()
        return Walked(records, timings, now)

    def made_again(self, unit: Unit, upto: int, failed: frozenset[int]) -> tuple[Carried, ...]:
        """The edits in force ahead of segment `upto`, made anew: for edits that could not be kept.

        With the seeds of the first time they are the same. Raises `BenchError` for one that is not
        made this time.
        """
        now: tuple[Carried, ...] = ()
        for number in range(upto):
            for index in unit.segments[number]:
                step = unit.steps[index]
                if isinstance(step, Apply) and index not in failed:
                    edit, error, _ = self._apply(unit, index, step.request, now)
                    if edit is None:
                        raise BenchError(
                            f"unit {unit.id}: the edit of {step.request.id} was made before and now is not "
                            f"({error}); delete the run's folder and run again"
                        )
                    now = (
                        *(one for one in now if one.case != step.request.id),
                        Carried(index, step.request.id, edit),
                    )
                elif isinstance(step, Undo):
                    now = tuple(one for one in now if one.case != step.request)
                elif isinstance(step, Restore):
                    now = ()
        return now

    def _apply(
        self, unit: Unit, index: int, request: EditRequest, carried: Sequence[Carried]
    ) -> tuple[Any, str | None, dict[str, Any]]:
        sealed = sealed_request(request, opaque_id(self._fingerprint, request.id))
        started = time.perf_counter()
        edit, error, size, short = None, None, None, False
        try:
            # seeded by its step, so that neither its process nor the edits before it matter
            edit = self._side.make(sealed, carried, seed_of(self._seed, f"{unit.id}\n{index}"))
            size = _size(edit)
        except (WeightsChanged, EditorLost):
            raise
        except (Exception, SystemExit) as problem:  # a third party's code may raise anything
            edit, error = None, described("edit", problem)
            short = out_of_memory(problem)
        if short:
            free_memory()
        seconds = time.perf_counter() - started
        return edit, error, {"seconds": round(seconds, 6), "edit_bytes": size}

    def _ask(self, head: dict[str, Any], case: EditCase, moment: str, carried: Sequence[Carried]) -> Asked:
        acting, replies, error = tuple(carried), self._replies(case, carried), None
        if isinstance(replies, BaseException):
            # An edit may be well formed and still break the model (a context too long for it). Asked is
            # with as many of the first edits as can be, found by halving: a sequence may be long.
            works, breaks, kept, problem = 0, len(carried), None, replies
            while breaks - works > 1:
                middle = (works + breaks) // 2
                tried = self._replies(case, carried[:middle])
                if isinstance(tried, BaseException):
                    breaks, problem = middle, tried
                else:
                    works, kept = middle, tried
            if breaks:
                error = described(f"asking with edit {carried[breaks - 1].case}", problem)
                acting, replies = tuple(carried[:works]), kept or self._replies(case, ())
        if isinstance(replies, BaseException):
            raise replies
        together = zip(case.probes, replies.readings, strict=True)
        return Asked(
            **head,
            case=case.id,
            moment=moment,
            edits=tuple(one.case for one in acting),
            status="failed" if error else "ok",
            error=error,
            probes=tuple(ProbeRecord(probe.id, reading) for probe, reading in together),
        )

    def _replies(self, case: EditCase, acting: Sequence[Carried]) -> Replies | Exception | SystemExit:
        """What a case's probes are answered with some edits in force, or what it raises."""
        try:
            return ask(self._base.edited(*(one.edit for one in acting)), case.probes, self._kinds)
        except (WeightsChanged, EditorLost):
            raise
        except (Exception, SystemExit) as problem:
            # what ran out of memory holds on to it by its traceback
            found = problem.with_traceback(None) if out_of_memory(problem) else problem
        if out_of_memory(found):
            free_memory()
        return found


def _size(edit: Any) -> int:
    size = edit.nbytes
    if type(size) is not int or size < 0:
        raise BenchError(f"an edit says that it has {size!r} bytes")
    return size


def _finite(name: str, values: Any) -> dict[str, float]:
    found = {str(key): float(value) for key, value in dict(values).items()}
    if wrong := [key for key, value in found.items() if not math.isfinite(value)]:
        raise BenchError(f"measure {name}: {wrong[0]} is not a finite number")
    return dict(zip(found, rounded(list(found.values())), strict=True))


def free_memory() -> None:
    """Give back what a failed edit held, so that the next one is not judged by it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def described(doing: str, error: BaseException) -> str:
    """One line for the record, without memory addresses: the same error must read the same."""
    if out_of_memory(error):  # how much was free differs from time to time
        return f"{doing}: {type(error).__name__}: out of memory"
    kind = "" if isinstance(error, EditFailed) else f"{type(error).__name__}: "
    text = _ADDRESS.sub("0x…", f"{doing}: {kind}{error}")
    return writable(" ".join(text.split())[:_LONGEST_ERROR])
