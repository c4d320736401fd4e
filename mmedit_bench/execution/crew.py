"""One run's units over several processes.

Every worker loads the parts of the run itself and lays finished segments down in the run's folder.
The caller hands units out, few at a time towards the end, and is the only one that commits. What is
done is counted in the folder and never taken on a worker's word, so a worker may die at any moment.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.commit import Bench, Committer
from mmedit_bench.harness.editor_side import InProcess
from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.plan import Plan
from mmedit_bench.harness.work import Task, watched, work
from mmedit_bench.protocols.steps import schedule_of
from mmedit_bench.runs.folder import Manifest, RunFolder

if TYPE_CHECKING:
    from mmedit_bench.execution.order import Order

MOST_DEATHS = 3
"""Workers that may die over one unit, or before their first, until the run is given up."""

PATIENCE = 20.0
"""Seconds that workers have to lay down what they finished when the run is ended."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker is told when it begins."""

    order: Order
    manifest: Manifest
    folder: Path
    artefacts: Path | None
    policy: ProofPolicy


class _Worker:
    """A process and the caller's end of the pipe to it."""

    def __init__(self, job: _Job, started: Callable[[int], object]) -> None:
        # spawned, not forked: torch's threads and CUDA do not survive a fork
        context = get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_labour, args=(far, job), daemon=True)
        self.process.start()
        far.close()
        self.held: tuple[int, ...] = ()
        """Units handed out and not yet reported done."""
        self.begun = False
        if self.process.pid is not None:
            started(self.process.pid)

    def hand(self, tasks: Sequence[Task]) -> None:
        """Raises `OSError` for a worker that is dead."""
        self.held = tuple(task.index for task in tasks)
        told = [[task.index, task.segment, sorted(task.failed)] for task in tasks]
        self.pipe.send_bytes(json.dumps(told).encode())

    def end(self, patience: float) -> None:
        """Ask it to stop, and kill it if it does not."""
        self.pipe.close()
        if patience and self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGINT)
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class ProcessCrew:
    """`jobs` processes that work on a run; a `harness.run.Crew`."""

    def __init__(
        self,
        order: Order,
        jobs: int,
        *,
        artefacts: Path | None = None,
        policy: ProofPolicy | None = None,
        progress: Progress | None = None,
        started: Callable[[int], object] = lambda pid: None,
    ) -> None:
        """`started` is told the process id of every worker."""
        self._order = order
        self._jobs = jobs
        self._artefacts = artefacts
        self._policy = policy or ProofPolicy()
        self._tell = progress or (lambda phase, done, total: None)
        self._started = started

    def work(self, plan: Plan, folder: RunFolder, tasks: Sequence[Task], committer: Committer) -> None:
        """Have all tasks done. Raises `BenchError` when a unit keeps ending its workers.

        Whatever ends it, what was laid down is committed as far as it is next in order.
        """
        job = _Job(self._order, plan.manifest, folder.path, self._artefacts, self._policy)
        patience = 0.0
        workers: list[_Worker] = []
        try:
            self._drive(job, plan, tasks, committer, workers)
        except KeyboardInterrupt:
            patience = PATIENCE
            raise
        finally:
            for worker in workers:
                worker.end(patience)
            committer.advance()

    def _drive(
        self, job: _Job, plan: Plan, tasks: Sequence[Task], committer: Committer, workers: list[_Worker]
    ) -> None:
        waiting = [task.index for task in tasks]
        deaths: Counter[int] = Counter()
        stillborn, total = 0, len(plan.segments) - committer.done
        begun_at = committer.done
        while waiting or any(worker.held for worker in workers):
            while len(workers) < min(self._jobs, len(waiting) + sum(bool(w.held) for w in workers)):
                workers.append(_Worker(job, self._started))
            for worker in workers:
                if worker.begun and not worker.held and waiting:
                    self._hand(worker, waiting, deaths, committer)
            pipes = {worker.pipe: worker for worker in workers}
            for ready in wait(list(pipes)):
                worker = pipes[ready]  # type: ignore[index]
                told = _heard(worker.pipe)
                if told is None:
                    worker.end(0)
                    workers.remove(worker)
                    left = {index for index, _ in committer.pending()}
                    lost = [index for index in worker.held if index in left]
                    waiting[:0] = lost
                    deaths.update(lost)
                    stillborn = 0 if worker.begun else stillborn + 1
                    self._despair(plan, deaths, stillborn, committer)
                    continue
                match told.get("is"):
                    case "begun":
                        worker.begun, stillborn = True, 0
                    case "laid":
                        committer.advance()
                        self._tell("edit", min(committer.done - begun_at, total), total)
                    case "done":
                        left = {index for index, _ in committer.pending()}
                        missing = [index for index in worker.held if index in left]
                        worker.held = ()
                        if missing:
                            raise BenchError(
                                f"a worker calls unit {plan.schedule[missing[0]].id} done and laid nothing "
                                "down; run again"
                            )
                    case "changed":
                        raise WeightsChanged(str(told.get("text")))
                    case "error":
                        raise BenchError(str(told.get("text")))
                    case _:
                        raise RuntimeError(f"in a worker:\n{told.get('text')}")

    def _hand(self, worker: _Worker, waiting: list[int], deaths: Counter[int], committer: Committer) -> None:
        """Give a worker its share: several units while many wait, so that proofs are few, then fewer."""
        # a unit over which a worker died goes alone: nobody else is to die with it
        count = 1 if deaths[waiting[0]] else max(1, len(waiting) // (4 * self._jobs))
        chosen = waiting[:count]
        if not deaths[waiting[0]]:
            chosen = [index for index in chosen if not deaths[index]]
        first = dict(committer.pending())
        tasks = [Task(i, first[i], committer.failures(i)) for i in chosen if i in first]
        del waiting[: len(chosen)]
        try:
            worker.hand(tasks)
        except OSError:
            worker.held = tuple(chosen)  # it is dead, and its pipe will say so

    @staticmethod
    def _despair(plan: Plan, deaths: Counter[int], stillborn: int, committer: Committer) -> None:
        if stillborn >= MOST_DEATHS:
            raise BenchError(
                f"{stillborn} workers in a row ended before their first unit; run without --jobs to see why"
            )
        for index, count in deaths.items():
            if count >= MOST_DEATHS:
                raise BenchError(
                    f"unit {plan.schedule[index].id}: {count} workers ended while they worked on it; "
                    "what was finished is kept. Run with fewer --jobs if memory is short, or --isolate "
                    "an editor that ends its process"
                )


def _heard(pipe: Connection) -> dict[str, Any] | None:
    """The next message; None if the worker is gone."""
    try:
        told = json.loads(pipe.recv_bytes(1 << 20))
    except (EOFError, OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _labour(pipe: Connection, job: _Job) -> None:
    """A worker, from its beginning until the pipe is closed."""
    threading.Thread(target=_follow, daemon=True).start()

    def say(kind: str, text: str = "") -> None:
        pipe.send_bytes(json.dumps({"is": kind, "text": text[-100_000:]}).encode())

    try:
        _work_on(pipe, job, say)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass  # the caller is done, or was ended
    except WeightsChanged as error:
        say("changed", str(error))
    except BenchError as error:
        say("error", str(error))
    except Exception:
        say("defect", traceback.format_exc())


def _work_on(pipe: Connection, job: _Job, say: Callable[..., None]) -> None:
    from mmedit_bench.execution.parts import Parts

    order, spec = job.order, job.manifest.spec
    experiment = Parts(job.artefacts).experiment(order)
    if experiment.spec() != spec:
        raise BenchError("a worker has other code or data than the run began with; run again")
    by_id = {case.id: case for case in experiment.suite.cases(order.split)}
    cases = [by_id[id] for id in job.manifest.selection.cases]
    plan = Plan(spec, schedule_of(experiment.protocol, cases, order.seed), job.manifest)
    base = experiment.backbone.unedited()
    guard = watched(plan, base, job.policy)
    side = InProcess(
        experiment.editor,  # type: ignore[arg-type]
        base, experiment.suite, seed=order.seed, artefacts=job.artefacts,
    )  # fmt: skip
    side.ready(lambda phase, done, total: None)
    guard.prove("after the editor was prepared")
    bench = Bench(RunFolder(job.folder), spec.evidence)
    say("begun")
    while True:
        told = json.loads(pipe.recv_bytes())
        tasks = [Task(index, segment, frozenset(failed)) for index, segment, failed in told]
        work(
            plan, base, side, bench, tasks, policy=job.policy, guard=guard, laid=lambda: say("laid")
        )  # fmt: skip
        say("done")


def _follow() -> None:
    """End this process when the caller is gone, however it went."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
