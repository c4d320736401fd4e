"""What `score` says of sequences, conflicts and rollbacks, and the rows of the CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.cases import EditCase
from mmedit_bench.cli.score import as_dict, describe
from mmedit_bench.rendering.protocol_numbers import lines
from mmedit_bench.rendering.report import render
from mmedit_bench.scoring.score import scored
from mmedit_bench.scoring.scores import RunScores
from mmedit_bench.scoring.sequence_scores import HalfLife
from tests.leaderboard.fake import FakeEditor, FakeSuite, fake_run


class TwoTasks(FakeSuite):
    def _case(self, number: int) -> EditCase:
        return replace(super()._case(number), task=("vqa", "caption")[number % 2])


SUITE = TwoTasks(count=20)


def scores(out: Path, protocol: str, options: dict[str, Any], version: str = "1") -> RunScores:
    changes = {"protocol": protocol, "protocol_options": options, "protocol_version": version}
    return scored(fake_run(out, SUITE, FakeEditor("ft"), **changes), SUITE)


@pytest.fixture
def sequences(tmp_path: Path) -> RunScores:
    return scores(tmp_path, "sequential", {"length": 4, "checkpoints": [2], "ages": [0, 3], "orders": 2}, "2")


def rows_of(run: RunScores) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render([run], form="csv"))))


def test_lines_of_sequences(sequences: RunScores) -> None:
    found = sequences.sequences["generation"]
    first, curve, ages, order = lines(sequences, "generation")
    assert first == "5 sequences of 4 edits, 2 orders"
    heights = ", ".join(f"{point.cells['reliability/main'].value:.1f}" for point in found.curve)
    assert curve.startswith(
        f"reliability after edits 2, 4: {heights}; area {found.area['reliability/main'].value:.1f} ±"
    )
    assert ages.endswith("half-life – (not under half within 3 edits)")
    assert order.startswith("order alone: standard deviation ")
    assert describe(Path("here"), sequences).splitlines()[2:] == [
        f"  {line}" for line in lines(sequences, "generation")
    ]


def test_a_half_life_has_bounds(sequences: RunScores) -> None:
    own = sequences.sequences["generation"]
    for life, text in (
        (HalfLife(3, 3, 10, 50), "half-life 3 edits [3, 10]"),
        (HalfLife(3, 3, None, 50), "half-life 3 edits [3, more than 50]"),
        (HalfLife(3, None, None, 50, "too few"), "half-life 3 edits"),
    ):
        changed = replace(own, half_life={**own.half_life, "reliability/main": life})
        told = lines(replace(sequences, sequences={"generation": changed}), "generation")
        assert told[2].endswith(text)


def test_csv_of_sequences(sequences: RunScores) -> None:
    rows = rows_of(sequences)
    found = sequences.sequences["generation"]
    own = {row["statistic"]: row for row in rows if row["column"] == "mean" and row["statistic"] != "mean"}
    assert own.keys() == {"area", "order_deviation", "half_life"}
    assert float(own["area"]["value"]) == found.area["mean"].value
    assert float(own["order_deviation"]["high"]) == found.order_deviation["mean"].high
    assert (own["half_life"]["value"], own["half_life"]["reason"]) == ("", "not under half within 3 edits")
    assert {row["moment"] for row in rows if row["statistic"] == "mean"} == {
        "end",
        "after 2",
        "age 0",
        "age 3",
    }
    assert {row["task"] for row in rows} == {"all", "vqa", "caption"}


def test_tasks(tmp_path: Path) -> None:
    run = scores(tmp_path, "cross-task", {"length": 4, "orders": 1})
    told = lines(run, "generation")
    assert [line.split(":")[0] for line in told[-3:]] == [
        f"interference, {task}" for task in run.sequences["generation"].interference
    ]
    rows = [row for row in rows_of(run) if (row["statistic"], row["column"]) == ("interference", "mean")]
    assert {row["task"] for row in rows} == {"all", "vqa", "caption"}


def test_conflicts_and_rollbacks(tmp_path: Path) -> None:
    run = scores(tmp_path, "conflict", {})
    first, second = lines(run, "generation")
    assert first.startswith("of two edits the last is said in ") and "the earlier one in 0.0 ±0.0 %" in first
    assert second.startswith("the earlier edit costs ")
    assert {row["statistic"] for row in rows_of(run)} == {"mean", "earlier", "cost"}
    alone = scores(tmp_path, "rollback", {})
    assert lines(alone, "generation") == [
        "undone: agreement with the unedited model over all probes 100.0 ±0.0 %; 20 of 20 units identical"
    ]
    inside = scores(tmp_path, "rollback", {"length": 4})
    assert len(lines(inside, "generation")) == 2
    assert {row["statistic"] for row in rows_of(inside)} == {
        "mean", "agreement_of_undone", "agreement_of_others",
    }  # fmt: skip
    found = as_dict(tmp_path, inside)
    assert found["rollback"]["generation"]["units"] == 5 and not found["sequences"]


def test_other_runs_add_nothing(tmp_path: Path) -> None:
    run = scored(fake_run(tmp_path, SUITE, FakeEditor("ft")), SUITE)
    assert lines(run, "generation") == []
    assert {row["statistic"] for row in rows_of(run)} == {"mean"}
