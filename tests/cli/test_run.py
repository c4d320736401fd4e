"""`run`, `score` and `report` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import Call

LAB = ("--suite", "lab-suite", "--backbone", "lab-backbone")


def _run(call: Call, editor: str, *more: str) -> Result:
    return call("run", *LAB, "--editor", editor, *more)


def _folder(done: Result) -> Path:
    return Path(json.loads(done.stdout)["folder"])


def test_a_run_says_where_it_is_and_what_it_did(call: Call) -> None:
    done = _run(call, "echo", "--limit", "3")
    assert done.exit_code == 0, done.stderr
    (folder,) = Path("runs").glob("lab-suite--lab-backbone--echo--one-step--*")
    assert str(folder) in done.stdout
    assert "3 edits" in done.stdout
    assert f"mmedit-bench score {folder}" in done.stdout


def test_a_second_call_does_nothing_and_says_so(call: Call) -> None:
    folder = _folder(_run(call, "echo", "--limit", "3", "--json"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = _run(call, "echo", "--limit", "3")
    assert done.exit_code == 0
    assert "already complete" in done.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in before} | {
        ".lock": before[".lock"]
    } == before


def test_json_on_stdout_and_progress_on_stderr(call: Call) -> None:
    done = _run(call, "echo", "--limit", "2", "--json")
    told = json.loads(done.stdout)
    assert (told["status"], told["edits"], told["new"], told["failed"]) == ("complete", 2, 2, 0)
    assert "echo: edit 2/2" in done.stderr


def test_quiet_leaves_stderr_empty(call: Call) -> None:
    done = _run(call, "echo", "--limit", "2", "--quiet")
    assert done.stderr == ""
    assert done.stdout


def test_options_reach_the_editor_and_the_fingerprint(call: Call) -> None:
    plain = _folder(_run(call, "echo", "--limit", "1", "--json"))
    loud = _folder(_run(call, "echo", "--limit", "1", "--set", "shout=true", "--json"))
    assert plain != loud
    assert json.loads((loud / "manifest.json").read_text())["spec"]["editor_options"] == {"shout": True}


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--set", "volume=3"), "volume"),
        (("--set", "shout"), "key=value"),
        (("--set", "shout=true", "--set", "shout=false"), "given twice"),
        (("--limit", "0"), "--limit"),
        (("--workers", "0"), "--workers"),
        (("--protocol-set", "steps"), "--protocol-set"),
        (("--evidence", "tea-leaves"), "tea-leaves"),
        (("--split", "evaluatoin"), "train, validation, evaluation"),
    ],
)
def test_what_a_user_can_mend_exits_with_2(call: Call, words: tuple[str, ...], fault: str) -> None:
    done = _run(call, "echo", *words)
    assert done.exit_code == 2
    assert fault in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("editor", "words", "fault"),
    [
        ("eccho", (), "eccho"),
        ("echo", ("--set", "volume=3"), "does not accept volume=3"),
        ("ft", ("--set", "lr=-1"), "lr"),
        ("echo", ("--protocol-set", "length=3"), "does not accept length=3"),
        ("echo", ("--protocol", "sequential", "--protocol-set", "length=0"), "length"),
        ("echo", ("--isolate", "--protocol", "secuential"), "secuential"),
    ],
)
def test_names_and_options_are_refused_before_the_backbone_is_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch, editor: str, words: tuple[str, ...], fault: str
) -> None:
    def loaded(*_: object) -> None:
        raise AssertionError("a backbone was loaded")

    monkeypatch.setattr("mmedit_bench.execution.parts.Parts.backbone", loaded)
    done = _run(call, editor, *words)
    assert done.exit_code == 2 and fault in done.stderr, done.output
    assert not Path("runs").exists()


def test_failed_edits_exit_with_3(call: Call) -> None:
    done = _run(call, "fragile", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["failed"] == 3


def test_a_defect_keeps_its_traceback(call: Call) -> None:
    done = _run(call, "defective", "--limit", "1")
    assert isinstance(done.exception, ZeroDivisionError)


def test_an_editor_must_bear_its_registered_name(call: Call) -> None:
    done = _run(call, "misnamed", "--limit", "1")
    assert done.exit_code == 2
    assert "lab must register it under the name it bears" in done.stderr


def test_score_and_report(call: Call) -> None:
    folder = _folder(_run(call, "echo", "--limit", "4", "--json"))
    done = call("score", folder)
    assert done.exit_code == 0, done.stderr
    assert "reliability 100.0" in done.stdout
    assert (folder / "scores.json").exists()
    (told,) = json.loads(call("score", "runs", "--json").stdout)  # a folder of runs
    assert told["scores"]["generation"]["reliability/main"]["value"] == 100
    for form, mark in (
        ("terminal", "echo"),
        ("markdown", "| echo"),
        ("latex", r"\toprule"),
        ("csv", "echo,"),
    ):
        done = call("report", "runs", "--format", form)
        assert done.exit_code == 0, done.stderr
        assert mark in done.stdout
    out = Path("tables/table.tex")
    assert call("report", folder, "--format", "latex", "--out", out).exit_code == 0
    assert r"\bottomrule" in out.read_text()


def test_a_report_needs_no_scoring_before_it(call: Call) -> None:
    _run(call, "echo", "--limit", "2", "--quiet")
    done = call("report", "runs")
    assert done.exit_code == 0, done.output
    assert "echo" in done.stdout
    assert not list(Path("runs").glob("*/scores.json"))


@pytest.mark.parametrize("command", ["score", "report"])
def test_a_folder_without_runs_is_refused(call: Call, command: str) -> None:
    Path("empty").mkdir()
    done = call(command, "empty")
    assert done.exit_code == 2
    assert "manifest.json" in done.stderr


def test_other_words_are_another_suite(call: Call) -> None:
    plain = _folder(_run(call, "echo", "--limit", "1", "--json"))
    assert _folder(_run(call, "echo", "--limit", "1", "--prompt-format", "clean", "--json")) == plain
    worded = _folder(_run(call, "echo", "--limit", "1", "--prompt-format", "legacy-trainer", "--json"))
    assert worded.name.startswith("lab-suite-legacy-trainer--") and worded != plain
    assert call("score", worded).exit_code == 0
    done = _run(call, "echo", "--prompt-format", "liveedit")
    assert done.exit_code == 2
    assert "has no prompt format 'liveedit'; it has clean, legacy-trainer" in done.stderr
