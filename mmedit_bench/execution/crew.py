"""One run's units over several workers.

Every worker loads the parts of the run itself and lays finished segments down in the run's folder.
The caller hands units out and is the only one that commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.engine import Engine
from mmedit_bench.execution.gang import gang
from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.jobs import UnitsJob, elsewhere
from mmedit_bench.execution.order import Order
from mmedit_bench.harness.artefacts import default_folder
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.commit import Committer
from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.plan import Plan
from mmedit_bench.harness.work import Task
from mmedit_bench.runs.folder import RunFolder


class WorkerCrew:
    """An engine's workers at one run; a `harness.run.Crew`."""

    def __init__(
        self,
        engine: Engine,
        order: Order,
        *,
        artefacts: Path | None = None,
        isolation: Isolation | None = None,
        policy: ProofPolicy | None = None,
        progress: Progress | None = None,
    ) -> None:
        """With `isolation`, every worker has an editor's process of its own."""
        self._engine = engine
        self._order = order
        self._artefacts = (artefacts or default_folder()).absolute()
        self._isolation = isolation
        self._policy = policy or ProofPolicy()
        self._tell = progress or (lambda phase, done, total: None)

    def work(self, plan: Plan, folder: RunFolder, tasks: Sequence[Task], committer: Committer) -> None:
        """Have all tasks done. Raises `BenchError` when a unit keeps ending its workers.

        Whatever ends it, what was laid down is committed as far as it is next in order.
        """
        try:
            with elsewhere(self._engine, folder.work) as shared:
                job = UnitsJob(
                    self._order, plan.manifest, folder.path.absolute(), self._artefacts, self._policy,
                    self._isolation, shared,
                )  # fmt: skip
                with gang(self._engine, job, folder.work) as workers:
                    items = [task.index for task in tasks]
                    workers.have_done(items, _Units(plan, committer, self._tell))
        finally:
            committer.advance()


class _Units:
    """The books of a run: a unit is done when all its segments are recorded or laid down."""

    def __init__(self, plan: Plan, committer: Committer, tell: Progress) -> None:
        self._plan = plan
        self._committer = committer
        self._tell = tell
        self._found = committer.done
        self._told = 0

    def batch(self, items: Sequence[int]) -> list[Any]:
        first = dict(self._committer.pending())
        return [[i, first[i], sorted(self._committer.failures(i))] for i in items if i in first]

    def take(self, items: Sequence[int], result: Any) -> None:
        """Nothing: what counts is in the folder."""

    def missing(self, items: Sequence[int]) -> list[int]:
        left = {index for index, _ in self._committer.pending()}
        return [item for item in items if item in left]

    def name(self, item: int) -> str:
        return f"unit {self._plan.schedule[item].id}"

    def give_up(self, item: int, deaths: int, reason: str) -> None:
        raise BenchError(
            f"{self.name(item)}: {deaths} workers ended while they worked on it"
            f"{f' ({reason})' if reason else ''}; what was finished is kept. Run with fewer --workers if "
            "memory is short, or --isolate an editor that ends its process"
        )

    def tick(self) -> None:
        self._committer.advance()
        done, total = self._committer.done - self._found, len(self._plan.segments) - self._found
        if done != self._told:
            self._told = done
            self._tell("edit", done, total)
