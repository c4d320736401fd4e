"""What `reproduce` is told of loading backbones, and what it tells of it; and options that do nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.cli.loading import told
from mmedit_bench.reproduce import plans
from mmedit_bench.reproduce.plan import Place, Plan, PlanRow
from tests.cli.conftest import Call


@pytest.fixture(autouse=True)
def plan(monkeypatch: pytest.MonkeyPatch) -> None:
    places = (Place("lab-backbone", "lab-suite", "MiniGPT-4", "vqa"),)
    table = Plan("table1", "A table", places, (PlanRow("echo", "echo"),), 2, split="evaluation")
    monkeypatch.setitem(plans.PLANS, "table1", table)


@pytest.mark.parametrize("option", ["--weights", "--revision", "--device-map", "--language-model"])
def test_a_backbone_that_the_plan_has_no_block_on_is_refused(call: Call, option: str) -> None:
    done = call("reproduce", "table1", option, "blip2-opt-2.7b=what", "--workers", 1)
    assert done.exit_code == 2 and f"{option} blip2-opt-2.7b=…: nothing is done on that" in done.stderr
    assert "lab-backbone" in done.stderr and not Path("runs").exists()


def test_the_command_names_what_others_can_have_and_no_path(tmp_path: Path) -> None:
    loading = {
        "one": {"weights": "owner/name", "revision": "a" * 40, "device_map": "auto"},
        "two": {"weights": str(tmp_path), "language_model": str(tmp_path / "a.gguf")},
    }
    assert list(told(loading)) == [
        ("weights", "one", "owner/name"),
        ("revision", "one", "a" * 40),
        ("weights", "two", "PLACE"),
        ("language-model", "two", "PLACE"),
    ]


def test_a_document_s_command_says_how_backbones_were_loaded(call: Call, tmp_path: Path) -> None:
    assert call("reproduce", "table1", "--workers", 1).exit_code == 0
    words = ("--finished", "--revision", "lab-backbone=v2", "--weights", f"lab-backbone={tmp_path}")
    done = call("reproduce", "table1", *words)
    assert done.exit_code == 0, done.output
    command = json.loads(Path("results/table1.json").read_text())["command"]
    assert command.endswith(" --revision lab-backbone=v2 --weights lab-backbone=PLACE")


@pytest.mark.parametrize(
    "words",
    [
        ("--limit", "1"),
        ("--suite", "lab-suite"),
        ("--backbone", "lab-backbone"),
        ("--finished",),
        ("--device", "cpu"),
        ("--weights", "lab-backbone=here"),
    ],
)
def test_what_does_nothing_where_files_are_only_rendered_is_refused(
    call: Call, words: tuple[str, ...]
) -> None:
    done = call("reproduce", "table1", "--render-only", *words)
    assert done.exit_code == 2 and f"{words[0]} does nothing with --render-only" in done.stderr
