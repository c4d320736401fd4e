"""`demo` runs whatever is installed, and one bad editor does not spoil it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.cli import demo
from tests.cli.conftest import Call


@pytest.fixture(autouse=True)
def lab_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SUITES", ("lab-suite",))
    monkeypatch.setattr(demo, "BACKBONES", ("lab-backbone",))


def test_all_editors_are_run_and_the_page_is_written(call: Call) -> None:
    done = call("demo", "--limit", "2", "--json")
    assert done.exit_code == 3, done.output  # the lab has broken editors
    told = json.loads(done.stdout)
    editors = {Path(run["folder"]).name.split("--")[2] for run in told["runs"]}
    assert {"null", "copy-target", "ft", "ike", "echo", "fragile", "pupil", "coded"} == editors
    assert told["page"] == str(Path("site/index.html").resolve())
    assert Path(told["page"]).exists()
    problems = "\n".join(told["problems"])
    assert all(name in problems for name in ("broken", "misnamed", "defective", "fragile"))


def test_editors_can_be_chosen(call: Call) -> None:
    done = call("demo", "--limit", "1", "--editor", "null", "--editor", "echo", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [Path(run["folder"]).name.split("--")[2] for run in told["runs"]] == ["null", "echo"]


def test_the_table_and_the_places_are_printed(call: Call) -> None:
    call("demo", "--limit", "1", "--quiet")
    done = call("demo", "--limit", "1")
    assert "copy-target" in done.stdout
    assert str(Path("site/index.html").resolve()) in done.stdout
    assert "already complete" in done.stderr
