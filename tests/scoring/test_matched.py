"""The units of what is made of scores: points where two are apart, percent where it is a score again."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmedit_bench.cases import EditCase
from mmedit_bench.rendering.long_csv import long_csv
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.intervals import Estimate
from mmedit_bench.scoring.matched import lifelong_gap, with_estimate
from mmedit_bench.scoring.score import checked_run, scored
from mmedit_bench.scoring.scores import TOO_FEW, Cell, RunScores
from tests.leaderboard.fake import FakeEditor, FakeSuite, fake_run


class TwoTasks(FakeSuite):
    """Every other case is a caption."""

    def _case(self, number: int) -> EditCase:
        return replace(super()._case(number), task=("vqa", "caption")[number % 2])


SUITE = TwoTasks(count=24)
SEQUENTIAL = {"protocol": "sequential", "protocol_version": "2", "protocol_options": {"length": 4}}


def made(out: Path, **changes: Any) -> RunScores:
    return scored(fake_run(out, SUITE, FakeEditor("ft"), **changes), SUITE)


def units_in_csv(scores: RunScores) -> dict[str, set[str]]:
    rows = list(csv.DictReader(io.StringIO(long_csv([scores], HEADLINE_FAMILY))))
    return {
        name: {row["unit"] for row in rows if row["statistic"] == name and not row["section"]}
        for name in {row["statistic"] for row in rows}
    }


def test_a_number_has_the_unit_that_it_is_given() -> None:
    cell = Cell(50.0, 40.0, 60.0, 9, 9, "label", None)
    gap = with_estimate(cell, Estimate(0.25, 0.125, 0.5), unit="points")
    assert (gap.value, gap.low, gap.high, gap.unit, gap.reason) == (25, 12.5, 50, "points", None)
    assert with_estimate(gap, Estimate(0.25, None, None)).unit == "percent"
    assert with_estimate(cell, Estimate(0.25, None, None), unit="points").reason == TOO_FEW
    nothing = with_estimate(cell, None, "why", unit="points")
    assert (nothing.value, nothing.low, nothing.reason, nothing.unit) == (None, None, "why", "points")


def test_interference_is_in_points(tmp_path: Path) -> None:
    options = {"length": 4, "orders": 1, "order": "blocked"}
    scores = made(tmp_path, protocol="cross-task", protocol_options=options)
    found = scores.sequences[HEADLINE_FAMILY]
    for cells in found.interference.values():
        assert {cell.unit for cell in cells.values()} == {"points"}
    assert {cell.unit for cell in found.area.values()} == {"percent"}
    told = units_in_csv(scores)
    assert (told["interference"], told["area"], told["mean"]) == ({"points"}, {"percent"}, {"percent"})


def test_what_an_earlier_edit_costs_is_in_points(tmp_path: Path) -> None:
    scores = made(tmp_path, protocol="conflict", protocol_options={})
    found = scores.conflict[HEADLINE_FAMILY]
    assert {cell.unit for cell in found.cost.values()} == {"points"}
    assert {cell.unit for cell in (*found.last.values(), *found.earlier.values())} == {"percent"}
    told = units_in_csv(scores)
    assert (told["cost"], told["earlier"]) == ({"points"}, {"percent"})


def test_the_lifelong_gap_is_in_points(tmp_path: Path) -> None:
    alone, walked = (
        checked_run(fake_run(tmp_path, SUITE, FakeEditor("ft"), **changes), SUITE)
        for changes in ({}, SEQUENTIAL)
    )
    assert {cell.unit for cell in lifelong_gap(walked, alone, HEADLINE_FAMILY).values()} == {"points"}


def test_what_order_makes_of_a_mean_is_in_points(tmp_path: Path) -> None:
    """With several orders, and with one, which leaves a reason in place of a number."""
    for orders in (2, 1):
        options = {"length": 4, "orders": orders, "checkpoints": [2]}
        scores = made(tmp_path / str(orders), **(SEQUENTIAL | {"protocol_options": options}))
        found = scores.sequences[HEADLINE_FAMILY]
        assert {cell.unit for cell in found.order_deviation.values()} == {"points"}
        assert {cell.unit for cell in found.area.values()} == {"percent"}
        assert (found.order_deviation["mean"].value is None) == (orders == 1)
        assert units_in_csv(scores)["order_deviation"] == {"points"}
