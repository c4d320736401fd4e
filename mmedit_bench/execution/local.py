"""Runs that are carried out from this process: by itself, with others, or with the editor apart."""

from __future__ import annotations

import os
from pathlib import Path

from mmedit_bench.errors import WeightsChanged, naming
from mmedit_bench.execution.crew import ProcessCrew
from mmedit_bench.execution.isolated import Isolated, Isolation
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.parts import Parts
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.editor_side import InProcess
from mmedit_bench.harness.run import RunResult
from mmedit_bench.harness.run import run as run_harness


class Workshop(Parts):
    """Carries out orders, with the parts of the latest one kept loaded."""

    def run(
        self,
        order: Order,
        out: Path,
        progress: Progress | None = None,
        *,
        jobs: int = 1,
        isolation: Isolation | None = None,
        deadline: float | None = None,
        fail_fast: bool = False,
    ) -> RunResult:
        """Carry out an order over `jobs` processes; what is recorded already is not done again.

        With `isolation`, the editor has a process to itself and its code is not loaded into this one;
        `jobs` is then 1. `deadline` is the seconds that one edit may take in this process, where `jobs`
        is 1 as well. Raises as `harness.run`.
        """
        if isolation:
            return self._apart(order, out, isolation, progress, fail_fast)
        found = self.measured(order, out, progress)  # before any editor's code is imported
        try:
            experiment = self.experiment(order)
            crew, side = None, None
            if jobs > 1:
                crew = ProcessCrew(order, jobs, artefacts=self._artefacts, progress=progress)
            elif deadline:
                side = InProcess(
                    experiment.editor, experiment.backbone, experiment.suite,  # type: ignore[arg-type]
                    seed=order.seed, artefacts=self._artefacts, deadline=deadline,
                )  # fmt: skip
            return run_harness(
                experiment, out, found=found, side=side, crew=crew, progress=progress,
                artefacts=self._artefacts, fail_fast=fail_fast,
            )  # fmt: skip
        except WeightsChanged:
            self.forget_backbone()  # the next order must not meet an altered model
            raise

    def _apart(
        self, order: Order, out: Path, isolation: Isolation, progress: Progress | None, fail_fast: bool
    ) -> RunResult:
        found = self.measured(order, out, progress)
        # the run's folder has its name only when the editor has said who it is
        printed = out / f"editor-{os.getpid()}.log"
        with Isolated(order, isolation, printed, self._artefacts) as side:
            result = run_harness(
                self.experiment_of(order, side.identity), out,
                found=found, side=side, progress=progress, fail_fast=fail_fast,
            )  # fmt: skip
        if result.new and printed.exists():
            with naming(result.folder / "editor.log"):
                printed.replace(result.folder / "editor.log")
        printed.unlink(missing_ok=True)  # of a call that did nothing
        return result
