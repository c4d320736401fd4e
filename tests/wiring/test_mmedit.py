"""The whole harness on the first published records of MMEdit. A test of the wiring, never a result.

The pictures are made up, under the real files' names, and the backbone is a random BLIP-2 of a few
thousand parameters: every number that comes out means nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.datasets.annotated.records import PICTURES, Record, read_records
from mmedit_bench.datasets.annotated.suite import Layout
from mmedit_bench.datasets.mmedit.layouts import CAPTION, COCO, REPHRASED, VQA
from tests.cli.conftest import ENTRY_POINTS, Call, program
from tests.datasets.published import FOLDER, needs_published
from tests.datasets.small import png

pytestmark = needs_published

EDITS = 20
CONSIDERED = 32
"""Records that have stand-ins: two batches, of which twenty need an edit."""


def first(layout: Layout) -> tuple[Record, ...]:
    """The records that are considered."""
    return read_records(FOLDER / "mmedit" / layout.evaluation.file, layout.evaluation)[:CONSIDERED]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The program, with stand-ins for the pictures of the first records of both tasks."""
    names = {getattr(own, key) for layout in (VQA, CAPTION) for own in first(layout) for key in PICTURES}
    for seed, name in enumerate(sorted(names)):
        path = tmp_path / "stand-ins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed * 60_013))
    monkeypatch.setenv("MMEDIT_BENCH_DATA", str(FOLDER))
    monkeypatch.setenv(COCO, str(tmp_path / "stand-ins"))
    monkeypatch.setenv(REPHRASED, str(tmp_path / "stand-ins"))
    backbone = "[mmedit_bench.backbones]\n"
    points = ENTRY_POINTS.replace(backbone, f"{backbone}wiring-backbone = tests.wiring.parts:backbone\n")
    return program(tmp_path, monkeypatch, "lab", points)


def done(call: Call, *words: str) -> Any:
    """What a command prints as JSON, and nothing else went wrong."""
    result = call(*words, "--json", "--quiet")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("layout", [VQA, CAPTION], ids=lambda own: own.name)
def test_wiring_one_step(call: Call, layout: Layout) -> None:
    order = ("run", "--suite", layout.name, "--backbone", "wiring-backbone", "--editor", "ft")
    run = done(call, *order, "--set", "steps=2", "--limit", str(EDITS), "--seed", "1")
    assert (run["status"], run["edits"], run["failed"]) == ("complete", EDITS, 0)
    (folder,) = Path("runs").glob(f"{layout.name}--*")
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    texts = json.dumps(lines)
    for record in first(layout)[:EDITS]:
        assert f"{layout.name}-evaluation-{record.number:05d}" in texts
    assert done(call, *order, "--set", "steps=2", "--limit", str(EDITS), "--seed", "1")["new"] == 0
    scores = call("score", str(folder))
    assert scores.exit_code == 0, scores.stderr
    assert (folder / "scores.json").is_file()
    table = call("report", str(folder), "--format", "markdown")
    assert table.exit_code == 0 and layout.name in table.stdout
    for column in ("Rel", "T-Gen", "M-Gen", "T-Loc", "M-Loc", "TM-Gen"):
        assert column in table.stdout


def test_wiring_sequences_and_tasks_side_by_side(call: Call) -> None:
    order = (
        "run",
        "--suite",
        "mmedit-mix",
        "--backbone",
        "wiring-backbone",
        "--editor",
        "echo",
        "--limit",
        "12",
    )
    for protocol, options in (("sequential", ["length=4"]), ("cross-task", ["length=4"])):
        sets = [word for option in options for word in ("--protocol-set", option)]
        run = done(call, *order, "--protocol", protocol, *sets)
        assert (run["status"], run["failed"]) == ("complete", 0)
        assert call("score", run["folder"]).exit_code == 0


def test_wiring_a_missing_picture_ends_the_run_by_name(call: Call, tmp_path: Path) -> None:
    gone = tmp_path / "stand-ins" / first(VQA)[3].image
    gone.unlink()
    result = call(
        "run", "--suite", "mmedit-vqa", "--backbone", "wiring-backbone", "--editor", "echo", "--limit", "4"
    )
    assert result.exit_code == 2
    assert f"mmedit-vqa vqa_eval.json record 3: its picture {gone} cannot be read" in result.stderr
    assert COCO in result.stderr


@pytest.mark.parametrize(
    "editor", [("ike", "--set", "demonstrations=2"), ("lora", "--set", "steps=2")], ids=" ".join
)
def test_wiring_other_editors(call: Call, editor: tuple[str, ...]) -> None:
    """One with contexts from the training split, whose pictures are not there, and one with low ranks."""
    order = ("run", "--suite", "mmedit-clean-vqa", "--backbone", "wiring-backbone", "--limit", "2")
    run = done(call, *order, "--editor", *editor)
    assert (run["status"], run["edits"], run["failed"]) == ("complete", 2, 0)
    assert call("score", run["folder"]).exit_code == 0
