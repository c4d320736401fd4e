"""`search` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from mmedit_bench.cli.search import combinations
from tests.cli.conftest import Call

LAB = ("--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", "echo")


def test_the_best_combination_is_named_and_all_are_recorded(call: Call) -> None:
    done = call(
        "search", *LAB, "--grid", "shout=true,false", "--limit", "3", "--record", "found.json", "--json"
    )
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert json.loads(Path("found.json").read_text()) == found
    assert [row["options"] for row in found["tried"]] == [{"shout": True}, {"shout": False}]
    assert found["best"] == max(found["tried"], key=lambda row: row["average"])["options"]
    assert found["split"] == "validation"
    for row in found["tried"]:
        assert row["average"] == pytest.approx(row["suites"]["lab-suite"]["mean"])


def test_only_the_validation_split_is_touched(call: Call) -> None:
    call("search", *LAB, "--grid", "shout=true,false", "--limit", "2")
    splits = {json.loads(p.read_text())["spec"]["split"] for p in Path("runs/search").glob("*/manifest.json")}
    assert splits == {"validation"}


def test_the_record_has_the_fingerprint_that_run_computes_and_workers_change_nothing(call: Call) -> None:
    grid = ("--grid", "shout=true,false", "--limit", "2", "--json")
    first = call("search", *LAB, *grid, "--workers", "2")
    assert first.exit_code == 0, first.stderr
    assert call("search", *LAB, *grid, "--workers", "1", "--out", "elsewhere").stdout == first.stdout
    for row in json.loads(first.stdout)["tried"]:
        words = (
            "--split",
            "validation",
            "--limit",
            "2",
            "--set",
            f"shout={str(row['options']['shout']).lower()}",
        )
        done = call("run", *LAB, *words, "--out", "alone", "--json")
        assert done.exit_code == 0, done.stderr
        manifest = json.loads((Path(json.loads(done.stdout)["folder"]) / "manifest.json").read_text())
        assert manifest["fingerprint"] == row["suites"]["lab-suite"]["fingerprint"]


def test_a_value_that_cannot_be_tried_stops_the_search(call: Call) -> None:
    words = ("--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", "misnamed")
    done = call("search", *words, "--grid", "shout=true", "--limit", "1", "--workers", "1")
    assert done.exit_code == 2
    assert "editor 'misnamed' calls itself 'somebody-else'" in done.stderr


def test_an_unknown_option_is_refused(call: Call) -> None:
    done = call("search", *LAB, "--grid", "whisper=true", "--limit", "2")
    assert done.exit_code == 2
    assert "whisper" in done.stderr


@pytest.mark.parametrize(
    ("grid", "problem"),
    [
        ("lr=0.1,-1", "ft: option 'lr' is -1.0; it must be above 0"),
        (
            "layer=-1,5",
            "ft: option 'layer' is 5; it must be -layers to layers - 1, which on lab-backbone is -2 to 1",
        ),
    ],
)
def test_a_value_out_of_range_is_refused_before_the_first_run(call: Call, grid: str, problem: str) -> None:
    done = call("search", *LAB[:4], "--editor", "ft", "--grid", grid, "--limit", "2")
    assert done.exit_code == 2
    assert problem in " ".join(done.stderr.split())
    assert not list(Path().glob("runs/search/*"))


def test_combinations_turn_the_first_key_slowest_and_read_numbers() -> None:
    assert combinations(["lr=3e-4,0.01", "steps=1,2"]) == [
        {"lr": 3e-4, "steps": 1},
        {"lr": 3e-4, "steps": 2},
        {"lr": 0.01, "steps": 1},
        {"lr": 0.01, "steps": 2},
    ]


@pytest.mark.parametrize("grids", [["lr"], ["lr="], ["lr=1", "lr=2"]])
def test_a_grid_that_is_none_is_refused(grids: list[str]) -> None:
    with pytest.raises(click.BadParameter, match="key=v1,v2"):
        combinations(grids)
