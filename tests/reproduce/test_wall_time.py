"""How long a target took: of the runs of its own scale and limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmedit_bench.reproduce import wall_time
from mmedit_bench.reproduce.plans import TABLE1, TABLE2
from mmedit_bench.reproduce.scales import SMALL, at_scale


def test_calls_of_other_scales_limits_and_targets_are_not_added(tmp_path: Path) -> None:
    small, few = at_scale(TABLE1, SMALL), replace(TABLE1, limit=20)
    for number, plan in enumerate((TABLE1, TABLE1, small, few, TABLE2)):
        wall_time.log(tmp_path, plan, 10.0**number, workers=1, runs=1)
    found = [wall_time.total(tmp_path, plan) for plan in (TABLE1, small, few, TABLE2)]
    assert found == [11, 100, 1000, 10000]


def test_lines_of_earlier_versions_name_the_target_alone(tmp_path: Path) -> None:
    (tmp_path / wall_time.FILE_NAME).write_text(
        '{"target": "table1", "seconds": 7}\n{"seconds": 5}\n{"target": "ta'
    )
    assert wall_time.total(tmp_path, TABLE1) == 7
    assert wall_time.total(tmp_path, TABLE2) == 0
