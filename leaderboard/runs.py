"""Run folders as the board needs them: scores, recorded answers and the suite they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmedit_bench.cases import EditCase
from mmedit_bench.protocols.steps import END
from mmedit_bench.rendering.table import once
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.records import Applied, Asked
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.cost import read_cost
from mmedit_bench.scoring.score import checked_run, scores_of
from mmedit_bench.scoring.scores import RunScores

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite


@dataclass(frozen=True, slots=True)
class BoardRun:
    """One run with its evidence."""

    scores: RunScores
    cases: tuple[EditCase, ...]
    """All cases of the split, in the suite's order."""
    asks: Mapping[str, Asked]
    """What was answered at the end of a unit, by case; of the first unit that asks for it."""
    before: Mapping[str, str]
    """What the unedited backbone answered, by probe."""
    errors: Mapping[str, str]
    """Why an edit failed, by case; of the same unit."""

    @property
    def fingerprint(self) -> str:
        """Identifies the run."""
        return self.scores.spec.fingerprint


def load_runs(
    folders: Iterable[Path], suites: Callable[[str], Suite], baselines: Path | None = None
) -> list[BoardRun]:
    """Score run folders, loading each suite once; a run given twice counts once.

    Baselines lie beside each run unless their folder is given. Raises `BenchError`.
    """
    loaded: dict[str, Suite] = {}
    runs: list[BoardRun] = []
    for folder in folders:
        name = read_run(folder).manifest.spec.suite
        if name not in loaded:
            loaded[name] = suites(name)
        runs.append(_board_run(checked_run(folder, loaded[name], baselines), folder, loaded[name]))
    by_mark = {run.fingerprint: run for run in runs}
    return [by_mark[scores.spec.fingerprint] for scores in once(run.scores for run in runs)]


def _board_run(run: Checked, folder: Path, suite: Suite) -> BoardRun:
    state = run.state
    cost = read_cost(folder, {record.unit for record in state.records})
    asks: dict[str, Asked] = {}
    for ask in state.asks:
        if ask.moment == END:
            asks.setdefault(ask.case, ask)
    failed = {(r.unit, r.request): r.error for r in state.records if isinstance(r, Applied) and r.error}
    errors = {case: ask.error or failed.get((ask.unit, case)) for case, ask in asks.items()}
    return BoardRun(
        scores=replace(scores_of(run), cost=cost),
        cases=suite.cases(state.manifest.spec.split),
        asks=asks,
        before={probe.id: probe.reading.answer for case in asks for probe in run.baseline.probes[case]},
        errors={case: error for case, error in errors.items() if error},
    )
