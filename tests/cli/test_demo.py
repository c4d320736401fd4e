"""`demo` runs whatever is installed, and one bad editor does not spoil it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.cli import demo
from mmedit_bench.cli.score import score_all
from tests.cli.conftest import Call


@pytest.fixture(autouse=True)
def lab_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SUITES", ("lab-suite",))
    monkeypatch.setattr(demo, "BACKBONES", ("lab-backbone",))
    monkeypatch.setattr(demo, "QUICK", ("null", "copy-target"))
    monkeypatch.setattr(demo, "TRAINED", {"pupil": {"shout": True}})


def test_all_editors_are_run_and_the_page_is_written(call: Call) -> None:
    done = call("demo", "--limit", "2", "--workers", "1", "--json")
    assert done.exit_code == 3, done.output  # the lab has broken editors
    told = json.loads(done.stdout)
    editors = {Path(run["folder"]).name.split("--")[2] for run in told["runs"]}
    assert {"null", "copy-target", "echo", "fragile", "pupil", "coded"} == editors
    assert told["page"] == str(Path("demo-results/index.html").resolve())
    assert Path(told["page"]).exists()
    problems = "\n".join(told["problems"])
    assert all(name in problems for name in ("broken", "misnamed", "defective", "fragile"))
    assert "ZeroDivisionError: a defect" in problems
    said = [line for line in done.stderr.splitlines() if "lab-suite on lab-backbone" in line]
    assert len(said) == 1 and said[0].startswith("[1/1]") and "misnamed failed" in said[0]


def test_editors_can_be_chosen(call: Call) -> None:
    words = ("demo", "--limit", "1", "--workers", "1", "--editor", "null", "--editor", "echo")
    done = call(*words, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [Path(run["folder"]).name.split("--")[2] for run in told["runs"]] == ["null", "echo"]
    stamps = {path: path.stat().st_mtime_ns for path in Path("demo-results/runs").glob("*/predictions.jsonl")}
    again = call(*words)
    assert {
        path: path.stat().st_mtime_ns for path in Path("demo-results/runs").glob("*/predictions.jsonl")
    } == stamps
    assert "echo" in again.stdout and str(Path("demo-results/index.html").resolve()) in again.stdout


def test_what_is_trained_is_run_on_the_first_suite_with_the_demo_s_options(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SUITES", ("lab-suite", "picturebook-vqa"))
    orders = demo.planned((), 3, 0)
    by_suite = {
        suite: {order.editor: order.options for order in orders if order.suite == suite}
        for suite in demo.SUITES
    }
    assert by_suite["lab-suite"].pop("pupil") == {"shout": True}
    assert by_suite["lab-suite"] == by_suite["picturebook-vqa"]
    assert {"null", "copy-target", "echo"} < by_suite["picturebook-vqa"].keys()
    assert not {"ft", "mend"} & by_suite["picturebook-vqa"].keys()  # shipped, and no time for them here
    # who is named is run everywhere and as it ships
    named = demo.planned(("pupil",), 3, 0)
    assert [(order.suite, dict(order.options)) for order in named] == [(s, {}) for s in demo.SUITES]


def test_the_page_opens_where_most_methods_are_and_differ_most(call: Call) -> None:
    call("demo", "--limit", "1", "--workers", "1", "--editor", "null", "--editor", "echo", "--quiet")
    scored = score_all(sorted(path.parent for path in Path("demo-results/runs").glob("*/manifest.json")))
    (_, echo), (_, null) = scored
    assert (echo.spec.editor, null.spec.editor) == ("echo", "null")

    def at(backbone: str, run: Any, mean: float) -> tuple[Path, Any]:
        family = run.families["generation"]
        cells = {**family.overall, "mean": replace(family.overall["mean"], value=mean)}
        families = {**run.families, "generation": replace(family, overall=cells)}
        return Path(backbone, run.spec.editor, str(mean)), replace(
            run, spec=replace(run.spec, backbone=backbone), families=families
        )

    near = [at("near", echo, 50.0), at("near", echo, 60.0), at("near", null, 0.0)]
    far = [at("far", echo, 20.0), at("far", echo, 45.0), at("far", null, 40.0)]
    few = [at("few", echo, 90.0), at("few", null, 0.0)]
    ordered = demo.opening_first([*few, *near, *far])
    assert ordered == [folder for folder, _ in (*far, *few, *near)]


def test_who_scores_has_loaded_no_editor(call: Call) -> None:
    code = (
        "import sys; from mmedit_bench.cli import app, demo; "
        "demo.SUITES, demo.BACKBONES = ('lab-suite',), ('lab-backbone',); "
        "app(['demo', '--limit', '1', '--workers', '1', '--editor', 'null', '--editor', 'copy-target', "
        "'-q'], "
        "standalone_mode=False); "
        "app(['search', '--suite', 'lab-suite', '--backbone', 'lab-backbone', '--editor', 'ft', "
        "'--grid', 'steps=1', '--limit', '1', '--criterion', 'mean', '-q'], standalone_mode=False); "
        "print([name for name in sys.modules if name.partition('.')[0] == 'methods'])"
    )
    paths = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert Path("demo-results/index.html").exists()


def test_the_page_takes_the_place_of_no_board(call: Call) -> None:
    """Nor does what the demo makes stand where an editor's package or a board's pages will."""
    words = ("demo", "--limit", "1", "--workers", "1", "--editor", "null", "--quiet")
    assert call(*words).exit_code == 0
    assert [path.name for path in Path().iterdir()] == ["demo-results"]
    assert call("new-editor", "demo").exit_code == 0
    Path("site").mkdir()
    Path("site/.mmedit-site").touch()
    Path("site/index.html").write_text("a board")
    done = call(*words, "--site", "site")
    assert done.exit_code == 2 and "the pages of a board" in done.stderr
    assert Path("site/index.html").read_text() == "a board"
