"""Runs as they are ordered: by this process, by workers of an engine, or with the editor apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError, WeightsChanged, naming
from mmedit_bench.execution.crew import WorkerCrew
from mmedit_bench.execution.engine import Engine
from mmedit_bench.execution.gang import gang
from mmedit_bench.execution.isolated import Isolated, Isolation
from mmedit_bench.execution.jobs import OpeningJob, elsewhere
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.parts import Parts
from mmedit_bench.harness.artefacts import default_folder
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.editor_side import EditorSide, InProcess
from mmedit_bench.harness.opening import gone_on
from mmedit_bench.harness.opening import opened as opened_by_harness
from mmedit_bench.harness.run import RunResult
from mmedit_bench.harness.run import run as run_harness
from mmedit_bench.runs.folder import Manifest, RunFolder


class Workshop(Parts):
    """Carries out orders, with the parts of the latest one kept loaded."""

    def run(
        self,
        order: Order,
        out: Path,
        progress: Progress | None = None,
        *,
        engine: Engine | None = None,
        isolation: Isolation | None = None,
        deadline: float | None = None,
        fail_fast: bool = False,
        between: Callable[[EditorSide], EditorSide] | None = None,
    ) -> RunResult:
        """Carry out an order by an engine's workers; what is recorded already is not done again.

        Without an engine, this process does it all. With `isolation`, the editor has a process to
        itself, or one beside each worker, and its code is not loaded into this one. Where workers are
        elsewhere, no backbone is loaded into this process. `deadline` is the seconds that one edit may
        take in this process, without an engine. `between` puts something between the run and the
        editor's side, such as what keeps edits; it takes a run without an engine. Raises as `harness.run`.
        """
        crew = None
        if engine and between:
            raise BenchError("workers have editors of their own; use one process")
        if engine:
            crew = WorkerCrew(
                engine, order, artefacts=self._artefacts, isolation=isolation, progress=progress
            )
            if not engine.here:
                path = self._opened_elsewhere(order, out, engine, isolation)
                manifest = Manifest.read(RunFolder(path).manifest)
                return gone_on(path, self.plan_of(order, manifest), crew, fail_fast=fail_fast)
        found = self.measured(order, out, progress)  # before any editor's code is imported
        if isolation:
            with self._apart(order, out, isolation) as (side, log):
                result = run_harness(
                    self.experiment_of(order, side.identity), out, found=found,
                    side=between(side) if between else side, crew=crew,
                    progress=progress, fail_fast=fail_fast,
                )  # fmt: skip
                kept = result.folder / "editor.log"
                if result.new and log.exists() and not (crew and kept.exists()):  # its workers' log
                    with naming(kept):
                        log.replace(kept)
            return result
        try:
            experiment, own = self.experiment(order), None
            if (deadline or between) and crew is None:
                own = InProcess(
                    experiment.editor, experiment.backbone.unedited(), experiment.suite,  # type: ignore[arg-type]
                    seed=order.seed, artefacts=self._artefacts, deadline=deadline,
                )  # fmt: skip
            return run_harness(
                experiment, out, found=found, side=between(own) if between and own else own, crew=crew,
                progress=progress, artefacts=self._artefacts, fail_fast=fail_fast,
            )  # fmt: skip
        except WeightsChanged:
            self.forget_backbone()  # the next order must not meet an altered model
            raise

    def opened(
        self,
        order: Order,
        out: Path,
        progress: Progress | None = None,
        *,
        isolation: Isolation | None = None,
    ) -> Path:
        """The folder of an order's run with all that it rests on; nothing is walked."""
        found = self.measured(order, out, progress)
        if isolation:
            with self._apart(order, out, isolation) as (side, _):
                return opened_by_harness(
                    self.experiment_of(order, side.identity), out, found=found, side=side, progress=progress
                )
        return opened_by_harness(
            self.experiment(order), out, found=found, progress=progress, artefacts=self._artefacts
        )

    def _opened_elsewhere(self, order: Order, out: Path, engine: Engine, isolation: Isolation | None) -> Path:
        """Have a worker open the run: baseline and training want the backbone, which only workers load."""
        self._suite_of(order)  # a name that nobody bears is refused before anything is started
        artefacts = (self._artefacts or default_folder()).absolute()
        books = _Opening(out)
        with elsewhere(engine, out) as shared:
            job = OpeningJob(order, out.absolute(), artefacts, isolation, shared)
            with gang(engine, job, out) as workers:
                workers.have_done([0], books)
        assert books.path is not None
        return books.path

    @contextmanager
    def _apart(self, order: Order, out: Path, isolation: Isolation) -> Iterator[tuple[Isolated, Path]]:
        """The editor in a process of its own, and the file for what it prints."""
        # the run's folder has its name only when the editor has said who it is
        printed = out / f"editor-{os.getpid()}.log"
        with Isolated(order, isolation, printed, self._artefacts, self.blinding(order)) as side:
            yield side, printed
        printed.unlink(missing_ok=True)  # of a call that did nothing


class _Opening:
    """The books of an opening: done when the folder has a manifest."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.path: Path | None = None

    def batch(self, items: Any) -> list[Any]:
        return list(items)

    def take(self, items: Any, result: Any) -> None:
        self.path = self._out / Path(str(result)).name

    def missing(self, items: Any) -> list[int]:
        return [] if self.path and RunFolder(self.path).manifest.exists() else list(items)

    def name(self, item: int) -> str:
        return "the opening of the run"

    def give_up(self, item: int, deaths: int, reason: str) -> None:
        raise BenchError(
            f"{deaths} workers ended while they measured the baseline or made the editor ready"
            f"{f' ({reason})' if reason else ''}"
        )

    def tick(self) -> None:
        """Nothing is known before the end."""
