"""`reproduce` from the outside, on a small plan of made-up editors."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmedit_bench.execution import pool
from mmedit_bench.execution.parts import Parts
from mmedit_bench.plugins.registry import BACKBONES, EDITORS
from mmedit_bench.reproduce import finished, plans
from mmedit_bench.reproduce.plan import Place, Plan, PlanRow
from mmedit_bench.runs.provenance import code_digest
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.paired import paired
from mmedit_bench.scoring.score import checked_run
from tests.cli.conftest import Call
from tests.cli.lab import Echo, Suite

PLACES = (Place("lab-backbone", "lab-suite", "MiniGPT-4", "vqa"),)
ROWS = (
    PlanRow("null", "no edit"),
    PlanRow("echo", "echo", published="UniKE"),
    PlanRow("echo", "shouting", {"shout": True}),
)


@pytest.fixture(autouse=True)
def plan(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Plan(
        "table1", "A table", PLACES, ROWS, 5, published="Table 1", against="echo", split="evaluation"
    )
    monkeypatch.setitem(plans.PLANS, "table1", table)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a process keeps what its first test that wants the table made."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def made(plan: None, call: Call, kept: Path) -> None:
    """The table's runs and results, in the folder where the program is called."""
    there = (kept / "results").exists()
    if not there:
        done = call("reproduce", "table1", "--workers", "1")
        assert done.exit_code == 0, done.stderr
    for name in ("runs", "results"):
        shutil.copytree(*((kept / name, name) if there else (name, kept / name)))


def files(folder: str = "results") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_table_is_written_with_intervals_comparisons_and_published_numbers(call: Call) -> None:
    done = call("reproduce", "table1", "--workers", "1", "--json")
    assert done.exit_code == 0, done.stderr
    assert {Path(path).name for path in json.loads(done.stdout)["written"]} == set(files())
    document = json.loads(files()["table1.json"])
    (block,) = document["blocks"]
    rows = {row["label"]: row for row in block["rows"]}
    cell = rows["echo"]["cells"]["generation"]["reliability/main"]
    assert (cell["value"], cell["edits"]) == (100.0, 5)
    assert rows["no edit"]["control"] and not rows["echo"]["control"]
    difference = rows["no edit"]["difference"]["generation"]
    assert difference["reliability/main"]["value"] == -100.0
    assert rows["shouting"]["difference"]["generation"]["mean"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "difference" not in rows["echo"]
    assert rows["echo"]["published"]["reliability/main"] > 90
    assert all(re.fullmatch("[0-9a-f]{64}", row["fingerprint"]) for row in block["rows"])
    text = files()["table1.md"].decode()
    assert "mmedit-bench reproduce table1 --scale embedded" in text
    assert "100.0 ±0.0" in text and "published" in text and rows["echo"]["fingerprint"][:16] in text
    assert "echo has the best mean here" in text
    assert files()["table1.tex"].decode().count(r"\begin{tabular}") == 2


def test_a_label_names_settings_of_its_run(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        PlanRow("echo", "echo"),
        PlanRow("echo", "loud: {shout}", {"shout": True}),
        PlanRow("misnamed", "nobody: {shout}"),
    )
    monkeypatch.setitem(plans.PLANS, "table1", Plan("table1", "T", PLACES, rows, 2, against="echo"))
    call("reproduce", "table1", "--workers", "1")
    (block,) = json.loads(files()["table1.json"])["blocks"]
    assert [row["label"] for row in block["rows"]] == ["echo", "loud: True", "nobody: ?"]


def test_all_but_the_document_is_written_anew_from_it_byte_by_byte(made: None, call: Call) -> None:
    first = files()
    for name in first:
        if not name.endswith(".json"):
            (Path("results") / name).unlink()
    done = call("reproduce", "table1", "--render-only")
    assert done.exit_code == 0, done.stderr
    assert files() == first
    missing = call("reproduce", "fig4b", "--render-only")
    assert missing.exit_code == 2 and "fig4b.json cannot be read" in missing.stderr


def test_what_is_done_is_not_done_again_and_numbers_stay(made: None, call: Call) -> None:
    first = json.loads(files()["table1.json"])
    stamps = {path: path.stat().st_mtime_ns for path in Path("runs").glob("*/predictions.jsonl")}
    call("reproduce", "table1", "--workers", "1")
    assert {path: path.stat().st_mtime_ns for path in Path("runs").glob("*/predictions.jsonl")} == stamps
    again = json.loads(files()["table1.json"])
    assert again["blocks"] == first["blocks"]
    assert again["wall_seconds"] >= first["wall_seconds"]


def test_processes_make_the_same_numbers(made: None, call: Call) -> None:
    first = json.loads(files()["table1.json"])
    done = call("reproduce", "table1", "--workers", "2", "--runs", "elsewhere", "--out", "second")
    assert done.exit_code == 0, done.stderr
    second = json.loads(files("second")["table1.json"])
    for document in (first, second):
        for row in document["blocks"][0]["rows"]:
            del row["seconds_per_edit"], row["peak_bytes"]
            # processes share the cores, and the last digit of a log-likelihood follows the threads
            del row["predictions"]
    assert first["blocks"] == second["blocks"]


def test_failing_editors_are_named_and_the_rest_is_written(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (*ROWS[:2], PlanRow("fragile", "fragile"), PlanRow("misnamed", "misnamed"))
    monkeypatch.setitem(plans.PLANS, "table1", Plan("table1", "T", PLACES, rows, 4, against="echo"))
    done = call("reproduce", "table1", "--workers", "1")
    assert done.exit_code == 3, done.output
    assert "fragile: 2 edits failed" in done.stderr and "somebody-else" in done.stderr
    text = files()["table1.md"].decode()
    assert "misnamed could not be run" in text and "fragile: 2 edits failed" in text
    assert "| 100.0 |" in text and "too few" in text


def test_fewer_edits_can_be_asked_for(call: Call) -> None:
    assert call("reproduce", "table1", "--workers", "1", "--limit", "2").exit_code == 0
    document = json.loads(files()["table1.json"])
    assert document["limit"] == 2 and document["blocks"][0]["edits"] == 2
    assert document["command"].endswith("--limit 2")
    where = ("--backbone", "lab-backbone", "--suite", "lab-suite")
    done = call("reproduce", "table1", *where, "--limit", "2", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(files()["table1.json"])["command"].endswith(f"--limit 2 {' '.join(where)}")
    done = call("reproduce", "table1", "--limit", "2", "--dtype", "bfloat16", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(files()["table1.json"])["command"].endswith("--limit 2 --dtype bfloat16")
    done = call("reproduce", "table1", "--backbone", "minigpt4-mini")
    assert done.exit_code == 2 and "it has some on lab-backbone" in done.stderr
    done = call("reproduce", "table1", "--suite", "vqa")
    assert done.exit_code == 2 and "it has some on lab-suite" in done.stderr


def test_sequences_and_what_they_are_pooled_with(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"length": 2, "sequences": 2, "orders": 2, "checkpoints": [1], "ages": [0, 1]}
    alone = PLACES[0]._replace(published_table="Table 1")
    walked = PLACES[0]._replace(
        published_table="Table 2a", protocol="sequential", protocol_options=options, order="2 edits in a row"
    )
    rows = (*ROWS[:2], PlanRow("echo", "alone", {"shout": True}, only="one-step"))
    decay = Plan("decay", "D", (walked, alone), rows, 6, against="echo", form="decay")
    pools = {"Table 1": "alone", "Table 2a": "in a row"}
    means = Plan("table5", "M", (alone, walked), rows, 6, against="echo", form="means", pools=pools)
    for plan in (decay, means):
        monkeypatch.setitem(plans.PLANS, plan.target, plan)
        done = call("reproduce", plan.target, "--workers", "1")
        assert done.exit_code == 0, done.stderr
        first = files()
        assert call("reproduce", plan.target, "--render-only").exit_code == 0
        assert files() == first
    sequences, one_by_one = json.loads(files()["decay.json"])["blocks"]
    found = {row["label"]: row for row in sequences["rows"]}
    assert found.keys() == {"no edit", "echo"} and len(one_by_one["rows"]) == 3
    own = found["echo"]["sequences"]["generation"]
    assert (own["length"], own["sequences"], own["orders"]) == (2, 2, 2)
    assert [point["at"] for point in own["curve"]] == [1, 2]
    # two constant answers: the last one is said to all, so that of the first nothing is left
    assert [p["cells"]["reliability/main"]["value"] for p in own["retention"]] == [100.0, 0.0]
    assert found["echo"]["gap"]["reliability/main"]["value"] == 50.0
    assert "gap" not in one_by_one["rows"][0] and "2 edits in a row" in sequences["title"]
    text = files()["decay.md"].decode()
    assert "Rel at age 1" in text and "decay.svg" in text and "over sequences" in text
    pooled = json.loads(files()["table5.json"])
    assert [block["title"] for block in pooled["blocks"]] == ["alone", "in a row"]
    assert [len(block["rows"]) for block in pooled["blocks"]] == [3, 2]
    assert pooled["blocks"][1]["rows"][1]["cells"]["generation"]["reliability/main"]["value"] == 50.0
    assert "Mean" in files()["table5.md"].decode()


def test_figures_are_the_same_bytes_each_time(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    points = (
        PlanRow("echo", "0", {"shout": False}, curve="loud", at=0),
        PlanRow("echo", "1", {"shout": True}, curve="loud", at=1),
        PlanRow("null", "none", curve="silent"),
    )
    curve = Plan("fig4a", "C", PLACES, points, 3, published="Figure 4a", form="curves", axis="loudness")
    bar = Plan("fig4c", "B", PLACES, ROWS, 3, published="Table 1", against="echo", form="bars")
    for plan in (curve, bar):
        monkeypatch.setitem(plans.PLANS, plan.target, plan)
        assert call("reproduce", plan.target, "--workers", "1").exit_code == 0
        first = files()
        assert {f"{plan.target}.{suffix}" for suffix in ("json", "md", "svg", "png")} <= first.keys()
        assert f"]({plan.target}.svg)" in first[f"{plan.target}.md"].decode()
        assert call("reproduce", plan.target, "--render-only").exit_code == 0
        assert files() == first
        assert first[f"{plan.target}.svg"].rstrip().endswith(b"</svg>")
    drawn, printed = files()["fig4a.md"].decode(), files()["fig4c.md"].decode()
    assert "no numbers are on record" in drawn and "*published*" not in drawn
    assert "no numbers are on record" not in printed and "*published*" in printed


def test_a_paired_comparison_is_the_mean_of_differences(made: None, call: Call) -> None:
    suite: Any = Suite()
    runs = {}
    for path in Path("runs").glob("*/manifest.json"):
        run = checked_run(path.parent, suite)
        spec = run.state.manifest.spec
        runs[spec.editor + str(dict(spec.editor_options))] = run
    null, echo = runs["null{}"], runs["echo{}"]
    found = paired(null, echo, "generation")
    mine, theirs = (edit_values(run, "generation") for run in (null, echo))
    for place, column in enumerate(mine.columns):
        gaps = mine.values[:, place] - theirs.values[:, place]
        if np.isnan(gaps).all():
            assert found[column] is None
        else:
            estimate = found[column]
            assert estimate is not None
            assert estimate.value == pytest.approx(100 * np.nanmean(gaps))


def test_fig5_shows_the_spaces_of_the_editor_named_and_the_first_cases(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (*ROWS[:2], PlanRow("coded", "drawn"))
    plan = Plan("fig5", "F", PLACES, rows, 4, form="spaces", draws="coded")
    monkeypatch.setitem(plans.PLANS, "fig5", plan)
    done = call("reproduce", "fig5", "--workers", "1")
    assert done.exit_code == 0, done.stderr
    # its encoders are asked anew, for which they must be there
    refused = call("reproduce", "fig5", "--finished", "--out", "again")
    assert refused.exit_code == 2 and "is drawn from a loaded editor" in refused.stderr
    assert not Path("again").exists()
    document = json.loads(files()["fig5.json"])
    assert [space["name"] for space in document["spaces"]] == ["sorted", "mixed"]
    sorts, mixed = (space["separation"] for space in document["spaces"])
    assert sorts > 0.5 > mixed
    for space in document["spaces"]:
        assert [(sort["name"], len(sort["points"])) for sort in space["sorts"]] == [("even", 12), ("odd", 12)]
    assert len(document["panel"]) == 3
    assert document["panel"][0]["probes"][0]["answers"]["echo"] == document["panel"][0]["target"]
    first = files()
    assert call("reproduce", "fig5", "--render-only").exit_code == 0
    assert files() == first


def test_an_editor_without_spaces_cannot_be_drawn(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan("fig5", "F", PLACES, ROWS[:2], 2, form="spaces", draws="echo")
    monkeypatch.setitem(plans.PLANS, "fig5", plan)
    done = call("reproduce", "fig5", "--workers", "1")
    assert done.exit_code == 2
    assert "editor 'echo' has nothing to draw" in done.stderr and "spaces()" in done.stderr


def test_a_line_is_said_of_each_block_and_the_time_is_logged(call: Call) -> None:
    done = call("reproduce", "table1", "--workers", "2")
    said = [line for line in done.stderr.splitlines() if line]
    assert said[0] == "3 runs in 1 blocks"
    assert re.fullmatch(r"\[1/1\] lab-suite on lab-backbone: .*null \d+ s.*", said[1])
    logged = [json.loads(line) for line in Path("runs/reproduce.jsonl").read_text().splitlines()]
    # as each run ends, so that a call that is killed has told of those before
    assert [(own["target"], own["workers"], own["runs"]) for own in logged] == [
        ("table1", 2, runs) for runs in (1, 1, 1, 0)
    ]
    assert {(own["scale"], own["limit"]) for own in logged} == {("", plans.PLANS["table1"].limit)}
    assert logged[0]["seconds"] > 0
    document = json.loads(files()["table1.json"])
    assert document["wall_seconds"] == round(sum(own["seconds"] for own in logged))


def test_finished_runs_are_tabled_where_no_backbone_is(
    made: None, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = json.loads(files()["table1.json"])

    def absent(*args: Any) -> Any:
        raise AssertionError("a backbone is loaded")

    monkeypatch.setattr(Parts, "backbone", absent)
    monkeypatch.setattr(pool, "carry_out", absent)
    done = call("reproduce", "table1", "--finished", "--out", "again")
    assert done.exit_code == 0, done.stderr
    again = json.loads(files("again")["table1.json"])
    assert again["blocks"] == first["blocks"] and again["versions"] == first["versions"]

    # of other means there are none
    for option in (["--limit", "3"], ["--dtype", "bfloat16"], ["--device", "cuda:1"]):
        other = call("reproduce", "table1", "--finished", *option, "--out", "other")
        assert other.exit_code == 2 and "no run could be found" in other.stderr, option
        assert "there is no such run in runs" in other.stderr


def test_finished_runs_of_another_version_or_not_complete_are_named(
    made: None, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (null,) = Path("runs").glob("*--null--*")
    lines = (null / "predictions.jsonl").read_text().splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines[:-1]) if '"closes":"unit"' in line)
    (null / "predictions.jsonl").write_text("".join(lines[: last + 1]))
    monkeypatch.setattr(Echo, "version", "another")
    done = call("reproduce", "table1", "--finished", "--out", "again")
    assert done.exit_code == 2 and "no run could be found" in done.stderr
    assert "is not complete; carry it on" in done.stderr

    (null / "predictions.jsonl").write_text("".join(lines))
    done = call("reproduce", "table1", "--finished", "--out", "again")
    assert done.exit_code == 3
    assert done.stderr.count("was made with another editor_version than is here; make it again") == 2
    (block,) = json.loads(files("again")["table1.json"])["blocks"]
    assert ["cells" in row for row in block["rows"]] == [True, False, False]


def test_a_finished_run_that_other_code_asked_is_named(
    made: None, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finished, "_asking", lambda backbone: {"asking_code": "0" * 64})
    done = call("reproduce", "table1", "--finished", "--out", "again")
    assert done.exit_code == 2 and "no run could be found" in done.stderr
    assert "was made with another asking_code than is here; make it again" in done.stderr


@pytest.mark.parametrize("name", ["blip2-opt-mini", "minigpt4-mini"])
def test_the_code_that_asks_is_known_without_the_backbone(name: str) -> None:
    loaded = BACKBONES.load(name)()
    assert finished._asking(name) == {
        "asking_code": code_digest("mmedit_bench.harness.asking", type(loaded).__module__)
    }


def test_a_finished_run_of_other_settings_is_named(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = (PlanRow("null", "no edit"), PlanRow("ft", "FT", {"steps": 1}))
    monkeypatch.setitem(plans.PLANS, "table1", Plan("table1", "T", PLACES, rows, 2))
    call("reproduce", "table1", "--workers", "1")
    assert call("reproduce", "table1", "--finished", "--out", "again").exit_code == 0
    (tmp_path / "lab-backbone.yaml").write_text("lr: 0.5\n")
    monkeypatch.setattr(EDITORS.load("ft"), "settings_folder", tmp_path)
    done = call("reproduce", "table1", "--finished", "--out", "again")
    assert done.exit_code == 3
    assert "was made with another setting lr than is here" in done.stderr
