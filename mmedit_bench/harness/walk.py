"""One segment of a unit, step by step."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, assert_never

from mmedit_bench.cases import EditCase, EditRequest
from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.harness.asking import ask, sealed_request, writable
from mmedit_bench.harness.editor_side import Carried, EditFailed, EditorLost, EditorSide, opaque_id
from mmedit_bench.harness.guard import WeightGuard
from mmedit_bench.harness.seeds import apart, seed_everything, seed_of
from mmedit_bench.plugins.registry import MEASURES
from mmedit_bench.protocols.steps import Apply, Ask, Measure, Restore, Undo, Unit
from mmedit_bench.runs.evidence import rounded
from mmedit_bench.runs.records import (
    MOST_ITEMS,
    Applied,
    Asked,
    Closes,
    Measured,
    ProbeRecord,
    Restored,
    StepRecord,
    Undone,
    named,
)

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone

T = TypeVar("T")

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
                    records.append(self._measure(head, name, options, moment, now))
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
        edit, error, size = None, None, None
        try:
            # seeded by its step, so that neither its process nor the edits before it matter
            edit = self._side.make(sealed, carried, seed_of(self._seed, f"{unit.id}\n{index}"))
            size = _size(edit)
        except (WeightsChanged, EditorLost):
            raise
        except (Exception, SystemExit) as problem:  # a third party's code may raise anything
            edit, error = None, described("edit", problem)
        seconds = time.perf_counter() - started
        return edit, error, {"seconds": round(seconds, 6), "edit_bytes": size}

    def _ask(self, head: dict[str, Any], case: EditCase, moment: str, carried: Sequence[Carried]) -> Asked:
        after, acting, error = self._with(
            carried, "asking", lambda backbone: ask(backbone, case.probes, self._kinds)
        )
        together = zip(case.probes, after.readings, strict=True)
        return Asked(
            **head,
            case=case.id,
            moment=moment,
            edits=acting,
            status="failed" if error else "ok",
            error=error,
            probes=tuple(ProbeRecord(probe.id, reading) for probe, reading in together),
        )

    def _measure(
        self, head: dict[str, Any], name: str, options: Mapping[str, Any], moment: str,
        carried: Sequence[Carried],
    ) -> Measured:  # fmt: skip
        measure = MEASURES.load(name)
        with apart(self._seed, f"measure {name}"):
            values, acting, error = self._with(
                carried, f"measuring {name}", lambda backbone: _finite(name, measure(backbone, **options))
            )
        return Measured(
            **head,
            measure=name,
            moment=moment,
            values=values,
            edits=acting,
            status="failed" if error else "ok",
            error=error,
        )

    def _with(
        self, carried: Sequence[Carried], doing: str, do: Callable[[Backbone], T]
    ) -> tuple[T, tuple[str, ...], str | None]:
        """What comes of doing something with the edits in force, who they were, and what went wrong.

        An edit may be well formed and still break the model (a context too long for it): the newest
        edits are left out until it can be done.
        """
        acting, error = list(carried), None
        while True:
            try:
                done = do(self._base.edited(*(one.edit for one in acting)))
                return done, tuple(one.case for one in acting), error
            except (WeightsChanged, EditorLost):
                raise
            except (Exception, SystemExit) as problem:
                if not acting:
                    raise
                left_out = acting.pop()
                error = error or described(f"{doing} with edit {left_out.case}", problem)


def _size(edit: Any) -> int:
    size = edit.nbytes
    if type(size) is not int or size < 0:
        raise BenchError(f"an edit says that it has {size!r} bytes")
    return size


def _finite(name: str, values: Any) -> dict[str, float | tuple[float, ...]]:
    """Values as they are recorded: a number, or one for each item."""
    found: dict[str, float | tuple[float, ...]] = {}
    for key, value in dict(values).items():
        items = [float(item) for item in value] if isinstance(value, Sequence) else [float(value)]
        if not 0 < len(items) <= MOST_ITEMS or not all(map(math.isfinite, items)):
            raise BenchError(
                f"measure {name}: {key} is no finite number, nor one for each of at most {MOST_ITEMS} items"
            )
        if not named(str(key)):
            raise BenchError(
                f"measure {name}: {key!r} is no printable name that begins with a letter or digit"
            )
        found[str(key)] = rounded(items) if isinstance(value, Sequence) else rounded(items)[0]
    return found


def described(doing: str, error: BaseException) -> str:
    """One line for the record, without memory addresses: the same error must read the same."""
    kind = "" if isinstance(error, EditFailed) else f"{type(error).__name__}: "
    text = _ADDRESS.sub("0x…", f"{doing}: {kind}{error}")
    return writable(" ".join(text.split())[:_LONGEST_ERROR])
