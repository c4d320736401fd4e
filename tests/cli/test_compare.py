"""`compare`, `power` and the further numbers of `score` and `report`, on runs that were made elsewhere."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mmedit_bench.cli import app, compare
from mmedit_bench.errors import Unusable
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.scoring.columns import SHOWN
from tests.leaderboard.fake import EDITORS, FakeEditor, FakeSuite, fake_run

SUITE = FakeSuite(count=12)
NULL, COPY, FT, IKE, UNIKE, PATCHER, MEND = EDITORS


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(SUITES, "load", lambda name: lambda: SUITE)
    for editor in (FT, IKE, UNIKE):
        fake_run(tmp_path / "runs", SUITE, editor)
    return tmp_path / "runs"


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def test_compare_says_the_same_in_every_form(runs: Path) -> None:
    done = call("compare", runs)
    assert done.exit_code == 0, done.output
    assert "Holm" in done.output and "12 edits each" in done.output
    values = json.loads(call("compare", runs, "--json").stdout)
    assert {row["column"] for row in values["pairs"]} == set(SHOWN)
    assert len(values["pairs"]) == 3 * len(SHOWN)
    rows = list(csv.DictReader(io.StringIO(call("compare", runs, "--format", "csv").stdout)))
    for row, other in zip(rows, values["pairs"], strict=True):
        assert (row["first"], row["second"], row["column"]) == (
            other["first"], other["second"], other["column"],
        )  # fmt: skip
        assert float(row["p_holm"]) == other["p_holm"] and float(row["difference"]) == other["difference"]
        assert int(row["won"]) + int(row["lost"]) + int(row["tied"]) == 12
    for name, places in values["places"].items():
        assert set(places) == {"ft", "ike", "unike"}
        for run, place in places.items():
            assert 1 <= place["best"] <= place["worst"] <= 3
            assert values["means"][name][run]["low"] <= values["means"][name][run]["value"]
    text = call("compare", runs, "--format", "markdown", "--column", "mean").output
    assert text.count("\n| Mean |") == 3 and "| ft | ike |" in text
    assert r"\begin{tabular}" in call("compare", runs, "--format", "latex").output


def test_compare_names_runs_apart_and_writes_files(runs: Path, tmp_path: Path) -> None:
    fake_run(runs, SUITE, FakeEditor("ft", {"reliability": 0.2}, options={"rate": 0.3}))
    done = call("compare", runs, "--column", "mean", "--out", tmp_path / "new" / "pairs.md")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "new" / "pairs.md").read_text()
    assert "ft rate=0.3" in text and "unike" in text
    assert done.output.strip() == str(tmp_path / "new" / "pairs.md")


def test_compare_refuses_what_is_not_comparable(runs: Path, tmp_path: Path) -> None:
    (one,) = runs.glob("*--ft--*")
    partial = fake_run(tmp_path / "elsewhere", SUITE, dataclasses.replace(MEND, stops=5))
    for words, message in (
        ((one,), "at least two runs"),
        ((runs, "--column", "rel"), "no column 'rel'"),
        ((one, partial), "did not make the same edits"),
    ):
        done = call("compare", *words)
        assert done.exit_code == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_two_folders_of_one_run_are_named(runs: Path, tmp_path: Path) -> None:
    (one,), (other,) = runs.glob("*--ft--*"), runs.glob("*--ike--*")
    copy = Path(shutil.copytree(one, tmp_path / "copies" / one.name))
    shutil.copytree(runs / "baselines", tmp_path / "copies" / "baselines")
    for words in (("compare", one, other, copy), ("power", one, copy), ("power", one, one)):
        done = call(*words)
        assert done.exit_code == 2 and f"{one} and {words[-1]} hold the same run, ft " in done.stderr


def test_power_asks_for_less_where_runs_are_paired_and_differences_large(runs: Path) -> None:
    (one,), (other,) = runs.glob("*--ft--*"), runs.glob("*--ike--*")
    values = json.loads(call("power", one, "--difference", "5", "--json").stdout)
    assert (values["edits"], values["paired"], values["difference"]) == (12, False, 5)
    (locality,) = [row for row in values["columns"] if row["column"] == "image_locality/main"]
    assert locality["edits"] > 12 and locality["detectable"] > 5 and 0 < locality["power_at_hand"] < 0.8
    coarse = json.loads(call("power", one, "--difference", "20", "--json").stdout)["columns"]
    (again,) = [row for row in coarse if row["column"] == "image_locality/main"]
    assert again["edits"] == pytest.approx(locality["edits"] / 16, abs=1)
    both = json.loads(call("power", one, other, "--json").stdout)
    assert both["paired"] is True
    text = call("power", one, "--format", "markdown").output
    assert text.startswith("### Edits needed to see 1 points") and "| M-Loc |" in text


def test_power_says_when_it_cannot_tell(runs: Path) -> None:
    null = fake_run(runs, SUITE, NULL)
    done = call("power", null)
    assert done.exit_code == 0 and "nothing is known of the variance" in done.output
    done = call("power", null, "--power", "1")
    assert done.exit_code == 2 and "power" in done.stderr


def test_score_has_more_for_those_who_ask(runs: Path) -> None:
    plain = call("score", runs).output
    assert "harm" not in plain
    more = call("score", runs, "--more").output
    for word in (
        "needed no edit: 0.0 % of 12 cases",
        "spread/generation",
        "harm/generation",
        "gap/",
        "cost: ",
    ):
        assert more.count(word) >= 3, word
    assert "divergence: kl was not recorded; run again with --evidence kl" in more
    assert all(len(line) <= 104 for line in more.splitlines() if line.startswith("  "))
    values = json.loads(call("score", runs, "--json").stdout)
    for run in values:
        harm = run["sections"]["harm/generation"]
        assert harm["unit"] == "percent" and harm["cells"]["all"]["label"].startswith("generation_exact")
        assert run["cost"]["seconds"] > 0 and run["no_op_rate"] == 0


def test_report_shows_a_section_and_csv_has_them_all(runs: Path) -> None:
    done = call("report", runs, "--section", "spread", "--format", "markdown")
    assert done.exit_code == 0, done.output
    assert "Worst of k" in done.output and "high is good" in done.output
    assert "teacher" not in done.output
    forced = call("report", runs, "--section", "harm", "--family", "teacher_forced_exact").output
    assert "teacher_forced_exact fails where right before" in forced
    done = call("report", runs, "--section", "harm", "--family", "teacher_forced_token")
    assert done.exit_code == 2 and "no section 'harm' by teacher_forced_token" in done.stderr
    done = call("report", runs, "--section", "divergence")
    assert done.exit_code == 2 and "--evidence kl" in done.stderr
    rows = list(csv.DictReader(io.StringIO(call("report", runs, "--format", "csv").stdout)))
    sections = {row["section"] for row in rows}
    assert {"", "harm/generation", "over", "under", "gap/teacher_forced_token"} <= sections
    assert not any("teacher_forced" in name for name in sections if not name.startswith("gap/"))
    # one section and column, one label and one unit
    labels = {(row["section"], row["column"]): set() for row in rows}
    for row in rows:
        labels[row["section"], row["column"]].add((row["label"], row["unit"]))
    assert all(len(found) == 1 for found in labels.values())
    forced_rows = list(
        csv.DictReader(
            io.StringIO(call("report", runs, "--format", "csv", "--family", "teacher_forced_token").stdout)
        )
    )
    assert {row["section"] for row in forced_rows} == {
        "", "spread/teacher_forced_token", "kept_right/teacher_forced_token",
    }  # fmt: skip


def test_a_file_of_pairs_is_whole_and_holds_no_formula(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = compare.checked_all
    monkeypatch.setattr(
        compare, "checked_all", lambda *given: {f"={name}": run for name, run in checked(*given).items()}
    )
    out = tmp_path / "pairs.csv"
    assert call("compare", runs, "--format", "csv", "--out", out).exit_code == 0
    kept = out.read_text("utf-8")
    assert ",'=ft," in kept and ",=ft," not in kept

    def full(path: Path, data: bytes) -> None:
        raise Unusable(path, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr("mmedit_bench.runs.files.write_whole", full)
    done = call("compare", runs, "--out", out)
    assert done.exit_code == 2 and "No space left" in done.stderr
    assert out.read_text("utf-8") == kept


@pytest.mark.parametrize("words", [("--section", "harm"), ("--sort", "correction")])
def test_what_csv_holds_anyway_is_not_chosen(runs: Path, words: tuple[str, ...]) -> None:
    done = call("report", runs, "--format", "csv", *words)
    assert done.exit_code == 2 and f"{words[0]} does nothing with --format csv" in done.stderr
