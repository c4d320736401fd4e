"""From data to a checkpoint that loads, at toy size."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.training import train
from mmedit_bench.backbones.training.card import AIMS, STATED, _table
from mmedit_bench.backbones.training.pictures import augment
from mmedit_bench.backbones.training.questions import caption_questions, context_questions, plain_questions
from mmedit_bench.backbones.training.recipe import Recipe
from mmedit_bench.cases import ImageRef, Query
from mmedit_bench.datasets.picturebook import files
from mmedit_bench.datasets.picturebook.files import Picturebook
from mmedit_bench.errors import BenchError


class Stopped(Exception):
    pass


def silent(*_: object) -> None:
    pass


@pytest.mark.parametrize("family", ["opt", "llama"])
def test_trains_measures_and_writes_a_card(
    family: str, recipe: Recipe, few: Picturebook, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    own = replace(recipe, family=family)
    train(name="toy", workdir=tmp_path / "work", out=out, progress=silent, recipe=own, data=few, examined=6)
    backbone = Backbone.load(out, name="toy")
    data = few.entities[0].pictures["noto"]
    image = ImageRef(hashlib.sha256(data).hexdigest(), lambda: data)
    assert (
        len(backbone.answer([Query("what is this?", image), Query("what is this?")], max_new_tokens=3)) == 2
    )
    described = json.loads((out / "backbone.json").read_text())
    assert described["digest"] == backbone.digest
    assert described["data"]["content"] == "few"
    assert described["measured"]["known facts, edit wording, twemoji"]["n"] == 6
    assert "| known facts, edit wording, twemoji |" in (out / "README.md").read_text()
    stages = {"vision-tower", "vision-qformer", "text", "joint"}
    assert set(described["cpu_seconds"]) == stages
    curves = json.loads((out / "training.json").read_text())
    assert set(curves) == stages and [point["step"] for point in curves["joint"]] == [2, 4]
    assert {"loss", "picture", "caption", "context_picture_8"} <= curves["joint"][-1].keys()
    assert b"<svg" in (out / "training.svg").read_bytes()


def test_a_card_says_what_was_aimed_at_and_what_was_before() -> None:
    row = "1 stated: followed, no picture"
    lines = _table(
        {row: {"accuracy": 0.96, "n": 400}, "other": {"accuracy": 0.5, "n": 4}}, {row: {"accuracy": 0.9}}
    )
    assert lines[2:] == [f"| {row} | 96.0 % | 95 % | 90.0 % | 400 |", "| other | 50.0 % |  |  | 4 |"]
    known = {*plain_questions(files.load().entities)}
    for stated in STATED:
        known |= {*context_questions(files.load().entities, stated, 2)}
        known |= {*caption_questions(files.load().entities, stated, 2)}
    assert AIMS.keys() <= known


def test_stated_captions_are_of_the_picture_and_untrue() -> None:
    entities = files.load().entities
    captions = {e.caption for e in entities}
    followed, ignored = caption_questions(entities, 4, 30).values()
    for one, other in zip(followed, ignored, strict=True):
        assert one.query.prompt.count("New Fact:") == 4 and one.answer in captions
        assert f" {one.answer}\n" in one.query.prompt and one.query.image == other.query.image
        assert other.answer not in captions
    assert caption_questions(entities, 4, 30) == caption_questions(entities, 4, 30)


def test_stopped_at_any_stage_ends_in_the_same_bytes(
    recipe: Recipe, few: Picturebook, tmp_path: Path
) -> None:
    def go(place: str, stop: str | None = None) -> bytes:
        def progress(stage: str, step: int, steps: int, figures: object) -> None:
            if stage == stop and step == 2:
                raise Stopped

        work = tmp_path / place
        train(
            name="toy", workdir=work, out=work / "out", progress=progress, recipe=recipe, data=few, examined=1
        )
        return (work / "out" / "model.safetensors").read_bytes()

    whole = go("whole")
    for stage in ("vision-tower", "vision-qformer", "text", "joint"):
        with pytest.raises(Stopped):
            go("broken", stage)
    assert go("broken") == whole


def test_the_text_is_trained_without_eyes(recipe: Recipe, few: Picturebook, tmp_path: Path) -> None:
    train(
        name="toy",
        workdir=tmp_path,
        out=tmp_path / "out",
        progress=silent,
        recipe=recipe,
        data=few,
        stage="text",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["text.safetensors"]


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="blip2-opt-mini"):
        train(name="blip3", workdir=tmp_path, out=tmp_path, progress=silent)
    with pytest.raises(BenchError, match="vision-tower"):
        train(name="blip2-opt-mini", workdir=tmp_path, out=tmp_path, progress=silent, stage="text-tower")


def test_flags_are_never_mirrored_and_pixels_stay_in_range() -> None:
    ramp = torch.linspace(0, 1, 64).expand(200, 3, 64, 64).clone()
    g = torch.Generator().manual_seed(0)
    out = augment(ramp, torch.zeros(200, dtype=torch.bool), g)
    assert out.min() >= 0
    assert out.max() <= 1
    right, left = out[:, :, 24:40, 48:].mean((1, 2, 3)), out[:, :, 24:40, :16].mean((1, 2, 3))
    # holes and shears disturb some pictures, mirroring would turn half of them round
    assert (right > left).float().mean() > 0.9
    # and no flag changes its colours beyond recognition
    red = torch.zeros(200, 3, 64, 64)
    red[:, 0] = 0.8
    tinted = augment(red, torch.zeros(200, dtype=torch.bool), torch.Generator().manual_seed(1))
    things = augment(red, torch.ones(200, dtype=torch.bool), torch.Generator().manual_seed(1))
    still = [(out[:, 0] > out[:, 1:].amax(1)).float().mean((1, 2)) > 0.5 for out in (tinted, things)]
    assert still[0].float().mean() > 0.85
    assert still[1].float().mean() < still[0].float().mean() - 0.04
    mirrored = augment(ramp, torch.ones(200, dtype=torch.bool), torch.Generator().manual_seed(0))
    right, left = mirrored[:, :, 24:40, 48:].mean((1, 2, 3)), mirrored[:, :, 24:40, :16].mean((1, 2, 3))
    assert 0.3 < (right > left).float().mean() < 0.7
