"""What each table and figure consists of: which editors, with which options, on which blocks.

Names of rows are those of the paper where the paper has the row. Options are those of the editor's
public settings, so every row is an ordinary run that `mmedit-bench run` makes as well.
"""

from __future__ import annotations

from mmedit_bench.reproduce.plans.one_step import SMOKE, TABLE1
from mmedit_bench.reproduce.plans.sequences import DECAY, SEQUENCES, STREAMS, TABLE2, TABLE3, TABLE5
from mmedit_bench.reproduce.plans.unike import FIG4A, FIG4B, FIG4C, FIG5, PARTS, TABLE4

__all__ = [
    "DECAY",
    "FIG4A",
    "FIG4B",
    "FIG4C",
    "FIG5",
    "PARTS",
    "PLANS",
    "SEQUENCES",
    "SMOKE",
    "STREAMS",
    "TABLE1",
    "TABLE2",
    "TABLE3",
    "TABLE4",
    "TABLE5",
]

PLANS = {
    plan.target: plan
    for plan in (
        TABLE1,
        TABLE2,
        TABLE3,
        STREAMS,
        TABLE4,
        TABLE5,
        DECAY,
        PARTS,
        FIG4A,
        FIG4B,
        FIG4C,
        FIG5,
        SMOKE,
    )
}
