"""Two runs on the same edits, compared edit by edit."""

from __future__ import annotations

from mmedit_bench.errors import BenchError
from mmedit_bench.scoring.checking import Checked, measured_against
from mmedit_bench.scoring.edit_values import EditValues, edit_values
from mmedit_bench.scoring.intervals import Estimate, differences


def paired(run: Checked, other: Checked, family: str) -> dict[str, Estimate | None]:
    """`run` minus `other` in percentage points, by column and group, with 95 % intervals.

    Resampled as scores are: no bounds where there are too few clusters, and None where one of
    the two has nothing to compare. An interval that leaves out 0 says that the two differ on edits
    such as these. Raises `BenchError` if the runs did not make the same edits, in the same units, or
    are measured against different baselines.
    """
    mine, theirs = edit_values(run, family), edit_values(other, family)
    same_edits(run, other, mine, theirs)
    empty = mine.empty | theirs.empty
    found = differences(mine.without(empty), theirs.without(empty), mine.clusters, mine.columns, mine.groups)
    return {name: None if estimate is None else estimate.times(100) for name, estimate in found.items()}


def same_edits(run: Checked, other: Checked, mine: EditValues, theirs: EditValues) -> None:
    """Raises `BenchError` unless row k of both is the same edit, measured against the same baseline."""
    names = run.state.manifest.spec.folder_name, other.state.manifest.spec.folder_name
    if (mine.cases, mine.units, mine.columns) != (theirs.cases, theirs.units, theirs.columns):
        raise BenchError(
            f"runs {names[0]} and {names[1]} did not make the same edits; compare runs of one suite, "
            "backbone, protocol and limit that are both complete"
        )
    if measured_against(run) != measured_against(other):
        raise BenchError(
            f"runs {names[0]} and {names[1]} are measured against different baselines; run one of them again"
        )
