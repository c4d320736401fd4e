"""Work on some of a run's units: in this process, alone or beside others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmedit_bench.errors import WeightsChanged
from mmedit_bench.harness.asking import ask
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.commit import Bench, carried_at, failure
from mmedit_bench.harness.editor_side import EditorSide
from mmedit_bench.harness.guard import ProofPolicy, WeightGuard
from mmedit_bench.harness.plan import Plan
from mmedit_bench.harness.walk import Walked, Walker
from mmedit_bench.runs.folder import RunFolder, read_run
from mmedit_bench.runs.records import Applied

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone


@dataclass(frozen=True, slots=True)
class Task:
    """A unit with something left to walk."""

    index: int
    """Of the unit in the schedule."""
    segment: int
    """The first one to walk."""
    failed: frozenset[int]
    """Steps ahead of it that made no edit."""


def work(
    plan: Plan,
    base: Backbone,
    side: EditorSide,
    bench: Bench,
    tasks: Sequence[Task],
    *,
    policy: ProofPolicy,
    guard: WeightGuard | None = None,
    laid: Callable[[], object] = lambda: None,
    fail_fast: bool = False,
    tell: Progress = lambda phase, done, total: None,
) -> None:
    """Walk all segments of the tasks' units and lay them down; `laid` is called when some are.

    A segment is laid down only after a proof that follows it; with `fail_fast`, one in which an edit
    failed at once, so that `laid` can end the work. Raises `WeightsChanged`, and lays
    nothing down that is not proven, if the editor alters the backbone.
    """
    watching = guard or watched(plan, base, policy)
    walker = Walker(
        base, side, watching,
        fingerprint=plan.spec.fingerprint, kinds=plan.spec.evidence, seed=plan.spec.seed,
    )  # fmt: skip
    held = _Held(plan, bench, watching, laid)
    total, done = sum(len(plan.schedule[t.index].segments) - t.segment for t in tasks), 0
    try:
        for task in tasks:
            unit = plan.schedule[task.index]
            carried = carried_at(bench, plan, task.index, task.segment, task.failed)
            if carried is None:
                carried = walker.made_again(unit, task.segment, task.failed)
            for number in range(task.segment, len(unit.segments)):
                walked = walker.walk(unit, number, carried)
                carried = walked.carried
                held.add(task.index, number, walked)
                failed = fail_fast and any(map(failure, walked.records))
                if watching.due() or done == 0 or failed:
                    held.release(f"after unit {unit.id}")
                done += 1
                tell("edit", done, total)
        held.release("after the last unit")
    except WeightsChanged:
        raise
    except BaseException:  # typically Ctrl-C: what is finished is kept
        held.release("when the run was ended")
        raise


def as_they_stand(tasks: Sequence[Task], plan: Plan, folder: RunFolder, bench: Bench) -> list[Task]:
    """The tasks without what is recorded or laid down by now; those with nothing left are dropped.

    For one who does not hold the run's lock: what is laid down may be recorded at any moment, so it
    is looked for in that order.
    """
    laid = {
        (task.index, number): bench.take(task.index, number)
        for task in tasks
        for number in range(task.segment, len(plan.schedule[task.index].segments))
    }
    recorded = dict(zip(plan.segments, read_run(folder.path).segments, strict=False))
    found = []
    for task in tasks:
        segment, failed = task.segment, set(task.failed)
        for number in range(task.segment, len(plan.schedule[task.index].segments)):
            own = laid[task.index, number]
            records = own[0] if own else recorded.get((task.index, number))
            if records is None:
                break
            failed |= {r.step for r in records if isinstance(r, Applied) and r.status == "failed"}
            segment = number + 1
        if segment < len(plan.schedule[task.index].segments):
            found.append(Task(task.index, segment, frozenset(failed)))
    return found


def watched(plan: Plan, base: Backbone, policy: ProofPolicy) -> WeightGuard:
    """A guard over the untouched backbone; its canary is the first case of the run."""
    probes = next((ask_.case.probes for unit in plan.schedule for _, ask_ in unit.asks), ())
    return WeightGuard(base, plan.spec.backbone_digest, policy, lambda: ask(base, probes))


class _Held:
    """What was walked and waits for the proof that must follow it."""

    def __init__(self, plan: Plan, bench: Bench, guard: WeightGuard, laid: Callable[[], object]) -> None:
        self._plan, self._bench, self._guard, self._laid = plan, bench, guard, laid
        self._waiting: list[tuple[int, int, Walked]] = []
        self._writing = False

    def add(self, index: int, number: int, walked: Walked) -> None:
        self._waiting.append((index, number, walked))

    def release(self, when: str) -> None:
        """Prove and lay down. A second call after one that was cut short in writing does nothing."""
        if self._writing or not self._waiting:
            return
        self._guard.prove(when)
        self._writing = True
        for index, number, walked in self._waiting:
            if number < len(self._plan.schedule[index].segments) - 1:
                # first the edits: a segment that is laid down can be gone on from
                self._bench.keep(index, walked.carried)
            self._bench.put(index, number, walked.records, walked.timings)
        self._waiting.clear()
        self._writing = False
        self._laid()
