"""What workers are told to do: walk units of one run, carry out whole orders, or open a run."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.backbones.placement import read_map
from mmedit_bench.errors import BenchError
from mmedit_bench.execution.engine import Desk, Engine, Needs
from mmedit_bench.execution.isolated import Isolated, Isolation
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.worker import Elsewhere
from mmedit_bench.harness.commit import Bench
from mmedit_bench.harness.editor_side import EditorSide, InProcess
from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.work import Task, as_they_stand, watched, work
from mmedit_bench.runs.folder import Manifest, RunFolder

if TYPE_CHECKING:
    from mmedit_bench.execution.local import Workshop

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnitsJob:
    """Units of one run. A batch holds `[index, segment, failed steps]` for each."""

    order: Order
    manifest: Manifest
    folder: Path
    """Of the run."""
    artefacts: Path
    policy: ProofPolicy
    isolation: Isolation | None
    elsewhere: Elsewhere | None

    @property
    def needs(self) -> Needs:
        return needs_of([self.order])

    def begin(self) -> Desk:
        return _Units(self)


class _Units:
    """The parts of a run, loaded, with an editor that is ready."""

    def __init__(self, job: UnitsJob) -> None:
        parts, order = _parts(job.artefacts, job.elsewhere), _placed(job.order, job.elsewhere)
        self._job = job
        self._open = ExitStack()  # closed with the process; an editor's own process ends with it
        side: EditorSide
        if job.isolation:
            printed, blinding = job.folder / "editor.log", parts.blinding(order)
            apart = Isolated(order, job.isolation, printed, job.artefacts, blinding)
            side = self._open.enter_context(apart)
            experiment = parts.experiment_of(order, apart.identity)
        else:
            editor = parts.editor(order)
            experiment = parts.experiment_of(order, editor)
            side = InProcess(
                editor, experiment.backbone.unedited(), experiment.suite,
                seed=order.seed, artefacts=job.artefacts,
            )  # fmt: skip
        if experiment.spec() != job.manifest.spec:
            raise BenchError("a worker has other code or data than the run began with; run again")
        if job.elsewhere and parts.measured(order, job.folder.parent).digest != job.manifest.baseline:
            raise BenchError(
                f"a worker on {socket.gethostname()} has another baseline than the run began with"
            )
        self._plan = parts.plan_of(order, job.manifest)
        self._base = experiment.backbone.unedited()
        self._side = side
        self._guard = watched(self._plan, self._base, job.policy)
        learned = side.ready(lambda phase, done, total: None)
        if (learned["sha256"] if learned else None) != job.manifest.artefact:
            raise BenchError(
                f"a worker on {socket.gethostname()} has another training of {order.editor} than the run "
                f"began with; let {job.artefacts} be on a file system that all machines share"
            )
        self._guard.prove("after the editor was prepared")

    def do(self, batch: Sequence[Any]) -> None:
        tasks = [Task(index, segment, frozenset(failed)) for index, segment, failed in batch]
        folder = RunFolder(self._job.folder)
        bench = Bench(folder, self._plan.spec.evidence)
        if self._job.elsewhere:  # a queue may hand the same batch out again
            tasks = as_they_stand(tasks, self._plan, folder, bench)
        work(
            self._plan, self._base, self._side, bench, tasks, policy=self._job.policy, guard=self._guard
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OrdersJob:
    """Whole runs below `out`. A batch holds indices of orders; the result has a mapping for each."""

    orders: tuple[Order, ...]
    out: Path
    artefacts: Path
    elsewhere: Elsewhere | None

    @property
    def needs(self) -> Needs:
        return needs_of(self.orders)

    def begin(self) -> Desk:
        return _Orders(self)


class _Orders:
    """A workshop that keeps what it loaded from one order to the next."""

    def __init__(self, job: OrdersJob) -> None:
        self._job = job
        self._workshop = _parts(job.artefacts, job.elsewhere)

    def do(self, batch: Sequence[Any]) -> list[dict[str, Any]]:
        return [self._outcome(self._job.orders[index]) for index in batch]

    def _outcome(self, order: Order) -> dict[str, Any]:
        started = time.monotonic()
        found: dict[str, Any] = {"folder": None, "failed": 0, "error": None}
        try:
            result = self._workshop.run(_placed(order, self._job.elsewhere), self._job.out)
            found |= {"folder": result.folder.name, "failed": result.failed}
        except BenchError as error:
            found["error"] = str(error)
        except Exception as error:  # an editor's code may raise anything; the other runs go on
            log.exception("%s on %s, %s: a defect", order.editor, order.backbone, order.suite)
            found["error"] = f"{type(error).__name__}: {error}"
        return found | {"seconds": time.monotonic() - started}


@dataclass(frozen=True, slots=True)
class OpeningJob:
    """The folder of a run with manifest, baseline and training, for a caller that loads no backbone.

    There is one item; the result is the name of the run's folder.
    """

    order: Order
    out: Path
    artefacts: Path
    isolation: Isolation | None
    elsewhere: Elsewhere | None

    @property
    def needs(self) -> Needs:
        return needs_of([self.order])

    def begin(self) -> Desk:
        return _Opening(self)


class _Opening:
    def __init__(self, job: OpeningJob) -> None:
        self._job = job
        self._workshop = _parts(job.artefacts, job.elsewhere)

    def do(self, batch: Sequence[Any]) -> str:
        job = self._job
        order = _placed(job.order, job.elsewhere)
        return self._workshop.opened(order, job.out, isolation=job.isolation).name


def needs_of(orders: Iterable[Order]) -> Needs:
    """What a worker takes that carries out any of these orders."""
    found = tuple(orders)
    return Needs(max(order.threads for order in found), max(map(_gpus, found)))


def _gpus(order: Order) -> int:
    """Accelerators that an order's backbone is on: one, or those that its device map names."""
    named = order.loading.get("device_map", "")
    devices = {order.device} if named in ("", "auto") else {*(read_map(named) or {}).values(), order.device}
    return len({device if ":" in device else "cuda:0" for device in devices if device.startswith("cuda")})


@contextmanager
def elsewhere(engine: Engine, folder: Path) -> Iterator[Elsewhere | None]:
    """What workers must share with the caller, with a mark in `folder`; None for workers that are here."""
    if engine.here:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".seen-", dir=folder.absolute())
    os.close(descriptor)
    try:
        yield Elsewhere(Path(name), tuple(sys.path))
    finally:
        Path(name).unlink(missing_ok=True)


def _parts(artefacts: Path, shared: Elsewhere | None) -> Workshop:
    from mmedit_bench.execution.local import Workshop  # it has runs worked on by these jobs

    if shared:
        shared.check()
    return Workshop(artefacts)


def _placed(order: Order, shared: Elsewhere | None) -> Order:
    """The order on the accelerator that an engine made visible to this worker alone."""
    return replace(order, device="cuda:0") if shared and order.device.startswith("cuda") else order
