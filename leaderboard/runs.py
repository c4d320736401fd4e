"""Run folders as the board needs them: scores, recorded answers and the suite they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmedit_bench.cases import EditCase
from mmedit_bench.runs.folder import RunState, read_run
from mmedit_bench.runs.records import AskRecord
from mmedit_bench.scoring.cost import read_cost
from mmedit_bench.scoring.score import load_scores, scores_of
from mmedit_bench.scoring.scores import FILE_NAME, RunScores

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite


@dataclass(frozen=True, slots=True)
class BoardRun:
    """One run with its evidence."""

    scores: RunScores
    cases: tuple[EditCase, ...]
    """All cases of the split, in the suite's order."""
    asks: Mapping[str, AskRecord]
    """What was answered, by case; the last answers where a protocol asks more than once."""

    @property
    def fingerprint(self) -> str:
        """Identifies the run."""
        return self.scores.spec.fingerprint


def load_runs(folders: Iterable[Path], suites: Callable[[str], Suite]) -> list[BoardRun]:
    """Read run folders, loading each suite once; a run given twice counts once. Raises `BenchError`."""
    loaded: dict[str, Suite] = {}
    runs: dict[str, BoardRun] = {}
    for folder in folders:
        state = read_run(folder)
        spec = state.manifest.spec
        if spec.suite not in loaded:
            loaded[spec.suite] = suites(spec.suite)
        suite = loaded[spec.suite]
        scores = _scores(folder, state, suite)
        asks = {ask.case: ask for ask in state.asks}
        runs[spec.fingerprint] = BoardRun(scores, suite.cases(spec.split), asks)
    return list(runs.values())


def _scores(folder: Path, state: RunState, suite: Suite) -> RunScores:
    if (folder / FILE_NAME).exists():
        return load_scores(folder)
    return replace(scores_of(state, suite), cost=read_cost(folder, {ask.unit for ask in state.asks}))
