"""One segment of a unit, step by step."""

from __future__ import annotations

import gc
import math
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, assert_never

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError, WeightsChanged, out_of_memory
from mmedit_bench.harness.asking import ask, sealed_request, writable
from mmedit_bench.harness.costs import Meter, edit_cost
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
    """One per `Apply`, one for each ask whose pace was measured, one at the end; see `harness.costs`."""
    carried: tuple[Carried, ...]
    """The edits in force at its end, in order."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """Something that could be done."""

    value: T


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
        self._meter = Meter(base)

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
            note: dict[str, Any] = {"unit": unit.id, "step": index}
            head: dict[str, Any] = note | {"closes": closes}
            step = unit.steps[index]
            match step:
                case Apply(request=request):
                    edit, error, cost = self._apply(step, now)
                    if edit is not None:
                        new = Carried(index, request.id, edit)
                        now = (*(one for one in now if one.case != request.id), new)
                    status = "failed" if error else "ok"
                    records.append(Applied(**head, request=request.id, status=status, error=error))  # type: ignore[arg-type]
                    timings.append(note | {"case": request.id, **cost})
                    self._guard.watch(f"after edit {request.id}")
                case Ask(case=case, moment=moment):
                    asked = self._ask(head, case, moment, now)
                    records.append(asked)
                    acting = [one.edit for one in now[: len(asked.edits)]]
                    timings += [note | {"case": case.id, **own} for own in self._meter.pace(case, acting)]
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
        timings.append({"unit": unit.id, "step": indices[-1], **self._meter.memory()})
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
                    edit, error, _ = self._apply(step, now)
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

    def _apply(self, step: Apply, now: Sequence[Carried]) -> tuple[Any, str | None, dict[str, Any]]:
        sealed = sealed_request(step.request, opaque_id(self._fingerprint, step.request.id))
        carried = [one for one in now if one.case not in step.beside]
        started = time.perf_counter()
        edit, error, short = None, None, False
        try:
            # seeded by its request: in every order, alone or beside others, its chance is the same
            edit = self._side.make(sealed, carried, seed_of(self._seed, f"{step.request.id}\n0"))
            cost = edit_cost(edit, time.perf_counter() - started)
        except (WeightsChanged, EditorLost):
            raise
        except (Exception, SystemExit) as problem:  # a third party's code may raise anything
            edit, error = None, described("edit", problem)
            cost, short = edit_cost(None, time.perf_counter() - started), out_of_memory(problem)
        if short:
            free_memory()
        return edit, error, cost

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

        An edit may be well formed and still break the model (a context too long for it). It is then
        done with as many of the first edits as it can be, found by halving: a sequence may be long.
        """
        names = tuple(one.case for one in carried)
        found = self._tried(carried, do)
        if isinstance(found, Done):
            return found.value, names, None
        if not carried:
            raise found
        kept, problem, works, breaks = None, found, 0, len(carried)
        while breaks - works > 1:
            middle = (works + breaks) // 2
            tried = self._tried(carried[:middle], do)
            if isinstance(tried, Done):
                works, kept = middle, tried
            else:
                breaks, problem = middle, tried
        error = described(f"{doing} with edit {names[breaks - 1]}", problem)
        if kept is None:
            bare = self._tried((), do)
            if not isinstance(bare, Done):
                raise bare
            kept = bare
        return kept.value, names[:works], error

    def _tried(
        self, acting: Sequence[Carried], do: Callable[[Backbone], T]
    ) -> Done[T] | Exception | SystemExit:
        """What comes of it with some edits in force, or what it raises."""
        try:
            return Done(do(self._base.edited(*(one.edit for one in acting))))
        except (WeightsChanged, EditorLost):
            raise
        except (Exception, SystemExit) as problem:
            # what ran out of memory holds on to it by its traceback
            found = problem.with_traceback(None) if out_of_memory(problem) else problem
        if out_of_memory(found):
            free_memory()
        return found


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
