"""The shipped backbones are what their cards say, and the controls are what controls must be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.backbones.zoo import CHECKPOINTS
from mmedit_bench.cases import Query
from mmedit_bench.datasets.picturebook import files, vqa
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.plugins.registry import BACKBONES, SUITES
from mmedit_bench.scoring.normalize import same_answer
from mmedit_bench.scoring.score import score_run
from mmedit_bench.scoring.selection import select_needed

NAMES = ("blip2-opt-mini", "minigpt4-mini")
LARGEST = 15_000_000


@pytest.mark.parametrize("name", NAMES)
def test_checkpoint_is_small_and_as_its_card_says(name: str) -> None:
    folder = CHECKPOINTS / name
    described = json.loads((folder / "backbone.json").read_text())
    backbone = BACKBONES.load(name)(device="cpu", dtype="float32", batch_size=16)
    assert (folder / "model.safetensors").stat().st_size <= LARGEST
    assert described["digest"] == backbone.digest
    assert described["data"]["content"] == files.pinned()["content"]
    assert backbone.max_positions >= 512
    rows = [line.split(" | ") for line in (folder / "README.md").read_text().splitlines()]
    for row, measured in described["measured"].items():
        (told,) = [own for own in rows if own[0] == f"| {row}"]
        assert told[1] == f"{100 * measured['accuracy']:.1f} %" and told[-1] == f"{measured['n']} |"


@pytest.mark.parametrize("name", NAMES)
def test_known_facts_are_answered_as_measured(name: str) -> None:
    """A sample of the card's first row, anew."""
    backbone = BACKBONES.load(name)(device="cpu", dtype="float32", batch_size=32)
    probes = [p for c in vqa().cases("evaluation")[:60] for p in c.probes if p.kind == "image_locality"]
    answers = backbone.answer([p.query for p in probes])
    right = sum(same_answer(a, p.reference) for a, p in zip(answers, probes, strict=True))
    measured = json.loads((CHECKPOINTS / name / "backbone.json").read_text())["measured"]
    assert right / len(probes) > measured["known facts, other trained wordings, twemoji"]["accuracy"] - 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_stated_fact_changes_the_answer(name: str) -> None:
    backbone = BACKBONES.load(name)(device="cpu", dtype="float32", batch_size=16)
    case = next(c for c in vqa().cases("evaluation") if c.sort == "counterfactual")
    asked = case.request.query
    stated = Query(f"New Fact: {asked.prompt} {case.request.target}\nPrompt: {asked.prompt}", asked.image)
    plain, told = backbone.answer([asked, stated])
    assert plain != told


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suite", ["picturebook-vqa", "picturebook-caption"])
def test_controls_mark_the_ends_of_the_scale(name: str, suite: str, tmp_path: Path) -> None:
    workshop = Workshop()
    cells = {}
    for editor in ("null", "copy-target"):
        order = Order(suite=suite, backbone=name, editor=editor, limit=12)
        folder = workshop.run(order, tmp_path).folder
        cells[editor] = score_run(folder, SUITES.load(suite)()).family("generation").overall
    null, copy = cells["null"], cells["copy-target"]
    assert null["reliability/main"].value == 0
    assert null["text_locality/main"].value == null["image_locality/main"].value == 100
    for kind in ("reliability", "text_generality", "image_generality"):
        assert copy[f"{kind}/main"].value == 100
    for kind in ("text_locality", "image_locality"):
        assert copy[f"{kind}/main"].value < 10


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suite", ["picturebook-vqa", "picturebook-caption"])
def test_there_are_enough_needed_edits(name: str, suite: str) -> None:
    backbone = BACKBONES.load(name)(device="cpu", dtype="float32", batch_size=32)
    for split, least in {"train": 1000, "validation": 150, "evaluation": 300}.items():
        selection = select_needed(
            SUITES.load(suite)().cases(split),
            lambda part: backbone.answer([case.request.query for case in part]),
            least,
            batch=32,
        )
        assert len(selection.cases) == least
        assert {case.sort for case in selection.cases} == {"correction", "counterfactual"}
