"""Two runs on the same edits, compared edit by edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmedit_bench.errors import BenchError
from mmedit_bench.runs.folder import RunState
from mmedit_bench.scoring.intervals import Estimate, differences
from mmedit_bench.scoring.score import GROUPS, edit_values

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite


def paired(run: RunState, other: RunState, suite: Suite, family: str) -> dict[str, Estimate | None]:
    """`run` minus `other` in percentage points, by column and group, with 95 % intervals.

    An interval that leaves out 0 says that the two differ on edits such as these. Raises
    `BenchError` if the runs did not make the same edits.
    """
    mine, theirs = edit_values(run, suite, family), edit_values(other, suite, family)
    if mine[:3] != theirs[:3]:
        raise BenchError(
            f"runs {run.manifest.spec.folder_name} and {other.manifest.spec.folder_name} did not make the "
            "same edits; compare runs of one suite, backbone, protocol and limit that are both complete"
        )
    found = differences(mine.values, theirs.values, mine.units, mine.columns, GROUPS)
    return {
        name: None if e is None else Estimate(100 * e.value, 100 * e.low, 100 * e.high)
        for name, e in found.items()
    }
