"""What a run notes of its costs, and how it is read back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.harness.costs import PACED, Meter, edit_cost, resident_peak
from mmedit_bench.harness.run import run
from mmedit_bench.interventions import Edit
from mmedit_bench.protocols.sequential import Sequential
from mmedit_bench.scoring.cost import cost_of_lines, read_cost
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.experiment import experiment
from tests.fakes.suite import FakeSuite

CASES = FakeSuite().cases("test")


def test_the_same_questions_are_timed_with_and_without_the_edit() -> None:
    backbone = FakeBackbone()
    meter = Meter(backbone)  # type: ignore[arg-type]
    edit = FakeEdit("what is test-0?", "new")
    assert meter.pace(CASES[0], []) == []
    rows = [row for case in CASES for row in meter.pace(case, [edit])]
    assert len(rows) == PACED < len(CASES)
    asked = [tuple(probe.query.prompt for probe in case.probes) for case in CASES[:PACED]]
    assert backbone.calls == [batch for batch in asked for _ in range(2)]
    for row in rows:
        assert row["answers"] == 3 and row["edited_seconds"] >= 0 <= row["unedited_seconds"]


def test_a_pace_that_cannot_be_taken_stops_no_run(caplog: pytest.LogCaptureFixture) -> None:
    meter = Meter(FakeBackbone())  # type: ignore[arg-type]
    assert meter.pace(CASES[0], [FakeEdit("what is test-0?", "BREAK")]) == []
    assert "the pace of case test-0 is not known: ValueError" in caplog.text


def test_memory_is_a_mark_that_only_rises_until_it_is_forgotten() -> None:
    meter = Meter(FakeBackbone())  # type: ignore[arg-type]
    before = meter.memory()
    assert before["peak_of"] == "process" and before["peak_bytes"] > 1e6
    block = bytearray(64_000_000)
    block[::4096] = b"x" * len(block[::4096])
    high = meter.memory()["peak_bytes"]
    assert high >= before["peak_bytes"] + 50_000_000
    del block
    assert resident_peak() >= high - 1_000_000


def test_an_edit_says_its_size_and_its_numbers() -> None:
    assert edit_cost(Edit(), 0.25) == {"seconds": 0.25, "edit_bytes": 0, "edit_parameters": 0}
    assert edit_cost(None, 1.0) == {"seconds": 1.0, "edit_bytes": None, "edit_parameters": None}
    assert edit_cost(FakeEdit("a", "b"), 1.0)["edit_parameters"] is None
    with pytest.raises(BenchError, match="-1 bytes"):
        edit_cost(FakeEdit("a", "b", nbytes=-1), 1.0)


def test_a_sequence_is_paced_with_all_edits_in_force(tmp_path: Path) -> None:
    folder = run(experiment(protocol=Sequential(orders=2)), tmp_path).folder
    rows = [json.loads(line) for line in (folder / "timings.jsonl").read_text().splitlines()]
    paced = [row for row in rows if "answers" in row]
    assert len(paced) == PACED and {row["unit"] for row in paced} == {"sequence-0/order-0"}
    cost = read_cost(folder, {row["unit"] for row in rows})
    assert cost.overhead is not None and cost.overhead > 0 and cost.timed == PACED
    assert cost.peak_bytes == max(row["peak_bytes"] for row in rows if "peak_bytes" in row)
    assert cost.n == 8 and cost.parameters is None and cost.preparation is None


def test_costs_are_read_as_pairs_and_nonsense_is_passed_over(tmp_path: Path) -> None:
    lines = [
        {"unit": "u", "seconds": 1.0, "edit_bytes": 10, "edit_parameters": 4, "peak_bytes": 7},
        {"unit": "u", "seconds": 3.0, "edit_bytes": 30, "edit_parameters": 8, "peak_bytes": 5},
        {"unit": "u", "unedited_seconds": 2.0, "edited_seconds": 3.0},
        {"unit": "u", "unedited_seconds": 2.0, "edited_seconds": 5.0},
        {"unit": "u", "unedited_seconds": 99.0, "edited_seconds": "slow"},
        {"unit": "u", "unedited_seconds": -1, "peak_bytes": -5, "edit_parameters": True},
        {"unit": "other", "seconds": 99.0, "unedited_seconds": 1.0, "edited_seconds": 99.0},
    ]
    (tmp_path / "timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "artefact.json").write_text(json.dumps({"seconds": 12.5, "sha256": "0"}))
    cost = read_cost(tmp_path, {"u"})
    assert (cost.seconds, cost.edit_bytes, cost.parameters, cost.n) == (2.0, 20.0, 6.0, 2)
    assert (cost.overhead, cost.timed, cost.peak_bytes) == (2.0, 2, 7.0)
    assert cost.preparation == 12.5
    (tmp_path / "artefact.json").write_text("[")
    assert read_cost(tmp_path, {"u"}).preparation is None


@pytest.mark.parametrize(
    "lines",
    [
        ['{"unit":"u","unedited_seconds":5e-324,"edited_seconds":1e7}'],
        ['{"unit":"u","unedited_seconds":1e308,"edited_seconds":1e308}'] * 2,
        ['{"unit":"u","unedited_seconds":1e308,"edited_seconds":1}'] * 2,
    ],
    ids=["quotient", "both sums", "divisor"],
)
def test_a_pace_that_no_number_can_tell_is_none(lines: list[str]) -> None:
    cost = cost_of_lines([line.encode() for line in lines], Path("nowhere"))
    assert (cost.overhead, cost.timed) == (None, 0)


def test_means_that_no_number_can_tell_are_none() -> None:
    line = b'{"unit":"u","seconds":1e308,"edit_bytes":1e308,"edit_parameters":1e308,"peak_bytes":1e308}'
    cost = cost_of_lines([line, line], Path("nowhere"))
    assert (cost.seconds, cost.edit_bytes, cost.parameters) == (None, None, None)
    json.dumps(asdict(cost), allow_nan=False)
