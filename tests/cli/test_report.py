"""`score` and `report` on run folders that were made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mmedit_bench.cli import app
from mmedit_bench.plugins.registry import SUITES
from tests.leaderboard.fake import EDITORS, FakeSuite, fake_run

SUITE = FakeSuite(count=12)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(SUITES, "load", lambda name: lambda: SUITE)
    for editor in EDITORS:
        fake_run(tmp_path / "runs", SUITE, editor)
    return tmp_path / "runs"


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_report_needs_no_score_and_writes_nothing(runs: Path) -> None:
    before = contents(runs)
    done = call("report", runs)
    assert done.exit_code == 0, done.output
    assert "unike" in done.output and "fake-vqa on blip2-opt-mini" in done.output
    assert contents(runs) == before
    assert call("score", runs).exit_code == 0
    for path in runs.glob("*/scores.json"):
        path.write_text('{"families": {"generation": "100"}}')
    assert call("report", runs).output == done.output  # what lies there is not believed


def test_a_changed_run_is_refused_by_name(runs: Path) -> None:
    (path,) = runs.glob("*--unike--*/predictions.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[3:], *lines[:3]]))
    for command in ("report", "score"):
        done = call(command, runs)
        assert done.exit_code == 2
        assert "--unike--" in done.stderr and "Traceback" not in done.stderr


def test_the_families_are_those_of_the_metrics(runs: Path) -> None:
    done = call("report", "--help")
    assert "[generation|teacher_forced_exact|teacher_forced_token|legacy_editor|" in "".join(
        done.output.split()
    )
    done = call("report", runs, "--family", "bleu")
    assert done.exit_code == 2 and "'bleu' is not one of generation" in done.stderr
    assert call("report", runs, "--family", "teacher_forced_token").exit_code == 0


def test_json_says_why_a_number_is_missing(runs: Path) -> None:
    (folder,) = runs.glob("*--ft--*")
    lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "predictions.jsonl").write_bytes(b"".join(lines[:9]))
    (found,) = json.loads(call("report", folder, "--json").output)["runs"]
    assert (found["complete"], found["edits"]) == (False, 3)
    cell = found["scores"]["generation"]["mean"]
    assert cell["value"] is not None and cell["low"] is None and "too few" in cell["reason"]


def test_baselines_beside_runs_are_passed_over_and_alone_are_refused(runs: Path) -> None:
    baselines = runs / "baselines"
    assert baselines.is_dir()
    done = call("score", *sorted(runs.iterdir()), "--json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)) == len(EDITORS)
    alone = call("score", baselines)
    assert alone.exit_code != 0


def test_published_lines_are_shown_on_request(runs: Path) -> None:
    (folder,) = runs.glob("*--ft--*")
    plain = call("score", folder)
    assert plain.exit_code == 0 and "legacy" not in plain.stdout and "liveedit" not in plain.stdout
    done = call("score", folder, "--legacy")
    assert done.exit_code == 0, done.output
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if " (" in line}
    assert "early EasyEdit and UniKE, answer positions): Rel" in lines["legacy_editor"]
    assert "LiveEdit, answer positions): Rel" in lines["liveedit"]
    assert "top10 was not recorded; run again with --evidence top10" in lines["legacy_trainer_exact"]
    assert "gap/legacy_editor" in call("score", folder, "--legacy", "--more").stdout
    table = call("report", folder, "--family", "legacy_editor", "--format", "markdown")
    assert table.exit_code == 0 and r"legacy\_editor\_kept" in table.stdout
    gap = call("report", folder, "--section", "gap/liveedit", "--format", "markdown")
    assert gap.exit_code == 0 and "free generation, whole answer minus LiveEdit" in gap.stdout
    lacking = call("report", folder, "--family", "legacy_trainer_exact")
    assert lacking.exit_code == 2 and "--evidence top10" in lacking.stderr


def test_files_beside_runs_are_passed_over_and_alone_are_refused(runs: Path) -> None:
    """`reproduce` logs beside its runs how long it took."""
    (runs / "reproduce.jsonl").write_text("{}")
    done = call("score", *sorted(runs.iterdir()), "--json")
    assert done.exit_code == 0 and len(json.loads(done.stdout)) == len(EDITORS), done.stderr
    alone = call("score", runs / "reproduce.jsonl")
    assert alone.exit_code == 2 and "is no run and holds none" in alone.stderr
