"""A run in two halves, for a caller that cannot load its backbone.

One process makes what a run rests on: baseline, training, manifest. Another, which may stand on a
machine without an accelerator, has the units walked by a crew and commits them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmedit_bench.errors import WeightsChanged
from mmedit_bench.harness.baseline import Measured, Progress
from mmedit_bench.harness.commit import Committer
from mmedit_bench.harness.editor_side import EditorSide
from mmedit_bench.harness.plan import Experiment, Plan
from mmedit_bench.harness.run import Crew, RunResult, ended, run
from mmedit_bench.harness.work import Task
from mmedit_bench.runs.folder import RunFolder, read_run


class _Open(Exception):
    """There is nothing left to do but to walk."""


class _Nobody:
    """A crew that walks nothing: the run's folder is what was wanted."""

    def work(self, plan: Plan, folder: RunFolder, tasks: Sequence[Task], committer: Committer) -> None:
        raise _Open(folder.path)


def opened(
    experiment: Experiment,
    out: Path,
    *,
    found: Measured,
    side: EditorSide | None = None,
    progress: Progress | None = None,
    artefacts: Path | None = None,
) -> Path:
    """The folder of a run with its manifest, baseline and training. Walks nothing. Raises as `run`."""
    try:
        return run(
            experiment, out, found=found, side=side, crew=_Nobody(), progress=progress, artefacts=artefacts
        ).folder
    except _Open as reached:
        (path,) = reached.args
        assert isinstance(path, Path)
        return path


def gone_on(path: Path, plan: Plan, crew: Crew, *, fail_fast: bool = False) -> RunResult:
    """Have a crew do what is left of an opened run. Raises as `run`."""
    with RunFolder(path).writing() as folder:
        committer = Committer(folder, plan, fail_fast=fail_fast)
        committer.advance()
        before = set(read_run(path).finished_units)
        tasks = [Task(i, n, committer.failures(i)) for i, n in committer.pending()]
        if tasks:
            try:
                crew.work(plan, folder, tasks, committer)
            except WeightsChanged as error:
                name = plan.spec.editor
                raise WeightsChanged(f"editor {name}: {error} {path} keeps what was proven.") from None
        return ended(folder, plan, committer, before, fresh=False)
