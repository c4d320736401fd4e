"""`search` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from mmedit_bench.cli.search import combinations
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.plugins.settings import stored
from tests.cli.conftest import Call

LAB = ("--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", "echo", "--criterion", "mean")


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
        done = call("run", *LAB[:6], *words, "--out", "alone", "--json")
        assert done.exit_code == 0, done.stderr
        manifest = json.loads((Path(json.loads(done.stdout)["folder"]) / "manifest.json").read_text())
        assert manifest["fingerprint"] == row["suites"]["lab-suite"]["fingerprint"]


def test_runs_are_made_in_the_dtype_asked_for_and_the_record_says_so(call: Call) -> None:
    grid = ("--grid", "shout=true", "--limit", "2", "--json")
    plain, half = (
        json.loads(call("search", *LAB, *grid, *more).stdout) for more in ((), ("--dtype", "bfloat16"))
    )
    assert half["dtype"] == "bfloat16" and not {"dtype", "device"} & set(plain)
    specs = [json.loads(path.read_text())["spec"] for path in Path("runs/search").glob("*/manifest.json")]
    assert sorted(spec["dtype"] for spec in specs) == ["bfloat16", "float32"]


def test_ladders_are_climbed_within_their_budget_and_the_best_is_written(call: Call) -> None:
    Path("ladders.yaml").write_text("lr: [1e-4, 1e-3]\nsteps: [1, 3]\n")
    Path("lab-backbone.yaml").write_text("threshold: 0.05\nlr: 7.0\n")
    words = (*LAB[:4], "--editor", "ft", "--criterion", "mean", "--limit", "2", "--ladders", "ladders.yaml")
    done = call(
        "search",
        *words,
        "--budget",
        "5",
        "--record",
        "search.json",
        "--config",
        "lab-backbone.yaml",
        "--json",
    )
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert json.loads(Path("search.json").read_text()) == found
    assert len(found["tried"]) == found["budget"] == 5
    assert found["ladders"] == {"lr": [1e-4, 1e-3], "steps": [1, 3]}
    written = stored(EDITORS.load("ft").settings_type, Path(), "lab-backbone")
    assert written == found["best"] | {"threshold": 0.05}
    # the record says what run would compute of the settings that are written
    of = found["of"]["lab-suite"]
    assert {name: of["settings"][name] for name in written} == written
    set_ = [word for name, value in written.items() for word in ("--set", f"{name}={value}")]
    done = call("run", *LAB[:4], "--editor", "ft", "--split", "validation", "--limit", "2", *set_, "--json")
    manifest = json.loads((Path(json.loads(done.stdout)["folder"]) / "manifest.json").read_text())
    assert manifest["fingerprint"] == of["fingerprint"]


def test_a_file_that_holds_no_options_is_told_before_the_work(call: Call) -> None:
    Path("own.yaml").write_text("- 1\n")
    done = call("search", *LAB, "--grid", "shout=true", "--config", "own.yaml")
    assert done.exit_code == 2 and "own.yaml: holds no mapping" in done.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize("words", [(), ("--grid", "shout=true", "--ladders", "ladders.yaml")])
def test_what_is_tried_is_said_in_one_way(call: Call, words: tuple[str, ...]) -> None:
    Path("ladders.yaml").write_text("shout: [true]\n")
    done = call("search", *LAB, *words)
    assert done.exit_code == 2 and "one of the two" in done.stderr
    done = call("search", *LAB, "--grid", "shout=true", "--budget", "2")
    assert done.exit_code == 2 and "a grid is tried whole" in done.stderr


def test_a_value_that_cannot_be_tried_stops_the_search(call: Call) -> None:
    words = (*LAB[:4], "--editor", "misnamed")
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
