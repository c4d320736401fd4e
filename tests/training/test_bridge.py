"""The bridge to a language model: what it is regressed onto, and that it gets there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.grafted import grafted
from mmedit_bench.backbones.training import small, small_card
from mmedit_bench.backbones.training.bridge import (
    LEAD,
    BridgeRecipe,
    Words,
    bridge_loss,
    recovered,
    train_bridge,
)
from mmedit_bench.backbones.training.model import build_eyes
from mmedit_bench.backbones.training.recipe import Recipe
from mmedit_bench.backbones.training.small import SMALL, SmallRecipe, train_small
from mmedit_bench.backbones.training.stage import Schedule
from mmedit_bench.cases import Query
from mmedit_bench.datasets.picturebook import wordings
from mmedit_bench.datasets.picturebook.files import Picturebook
from mmedit_bench.errors import BenchError
from tests.backbones.test_grafted import language_model
from tests.tiny import tiny_tokenizer

NAMES = ("fox", "red fox", "lighthouse", "ball")


def words(slots: int = 12, seed: int = 0, names: Sequence[str] = NAMES) -> Words:
    tokenizer = tiny_tokenizer("qwen2")
    embeddings = torch.randn(len(tokenizer), 6, generator=torch.Generator().manual_seed(seed))
    return Words.of(names, tokenizer, embeddings, slots)


def test_a_phrase_fills_the_slots_and_ends_in_the_name() -> None:
    tokenizer = tiny_tokenizer("qwen2")
    own = words()
    lead = tokenizer(LEAD, add_special_tokens=False)["input_ids"]
    embeddings = torch.randn(len(tokenizer), 6, generator=torch.Generator().manual_seed(0))
    for thing, name in enumerate(NAMES):
        ids = tokenizer(f" {name}", add_special_tokens=False)["input_ids"]
        expected = embeddings[torch.tensor([*lead, *ids][-12:])]
        assert torch.equal(own.wanted(torch.tensor([thing]))[0], expected)
    with pytest.raises(BenchError, match=r"'q' is .* together they must fill the 40 visual tokens"):
        words(slots=40, names=("q",))
    with pytest.raises(BenchError, match=r"'quartz' is .* and the name must fit"):
        words(slots=2, names=("quartz",))


def test_the_nearest_word_of_a_word_is_itself() -> None:
    own = words()
    things = torch.arange(len(NAMES))
    assert torch.equal(own.nearest(own.wanted(things)), own.places)


@given(seed=st.integers(0, 1000))
def test_the_loss_is_the_surprise_at_each_word(seed: int) -> None:
    own = words(seed=seed)
    g = torch.Generator().manual_seed(seed)
    things = torch.randint(len(NAMES), (3,), generator=g)
    scores = torch.randn(3, 12, len(own.table), generator=g)
    surprise = 0.0
    for n in range(3):
        for slot in range(12):
            row = scores[n, slot].exp()
            surprise -= float((row[own.places[things[n], slot]] / row.sum()).log()) / 36
    assert float(bridge_loss(scores, own, things)) == pytest.approx(surprise, rel=1e-4)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recipe: Recipe) -> SmallRecipe:
    monkeypatch.setenv("MMEDIT_BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("mmedit_bench.backbones.training.bridge.LEAD", LEAD * 4)  # tiny tokens are short
    bridge = BridgeRecipe(hidden=64, views=1, schedule=Schedule(4, 8, warmup=1, save_every=2))
    return replace(
        SMALL["minigpt4-qwen2.5-0.5b"],
        template="{context}{picture} {prompt}\n",
        ends=("</s>",),
        eyes=replace(recipe, sizes=replace(recipe.sizes, queries=8)),
        bridge=bridge,
    )


def test_what_is_trained_says_the_words_and_leaves_them_as_they_are(
    recipe: Recipe, few: Picturebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes = build_eyes(replace(recipe.sizes, queries=8)).eval()
    things = few.entities[:4]
    seen = torch.randn(4, 1, 8, 48, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr("mmedit_bench.backbones.training.bridge.look", lambda *_: seen)
    tokenizer = tiny_tokenizer("qwen2")
    embeddings = 1e-3 * torch.randn(len(tokenizer), 16, generator=torch.Generator().manual_seed(0))
    words = Words.of([e.name[:6] for e in things], tokenizer, embeddings, 8)
    plan = BridgeRecipe(hidden=64, views=1, schedule=Schedule(120, 16, adam_lr=3e-3, warmup=10))
    bridge = train_bridge(eyes, things, words, plan, tmp_path, lambda *_: None, {})
    assert recovered(bridge, words, {"seen": seen[:, 0]}) == {"seen_tokens": 1, "seen_things": 1}
    assert torch.equal(bridge.table.weight, words.table.T)
    apart = (bridge(seen[:, 0]).detach() - words.wanted(torch.arange(4))).norm(dim=-1)
    assert float((apart / words.wanted(torch.arange(4)).norm(dim=-1)).max()) < 0.2
    again = train_bridge(eyes, things, words, plan, tmp_path, lambda *_: None, {})
    assert all(map(torch.equal, again.parameters(), bridge.parameters()))


def test_trains_a_bridge_measures_it_and_writes_a_card(
    toy: SmallRecipe, few: Picturebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Picturebook(tuple(e for e in few.entities if len(e.name) < 6), (), "short")
    assert len(short.entities) > 5
    spoken = language_model(tmp_path / "lm")
    monkeypatch.setattr(small_card, "STATED", (1,))
    seen: list[tuple[str, int]] = []
    out = train_small(
        name="toy", language_model=str(spoken), workdir=tmp_path / "work", out=tmp_path / "out",
        progress=lambda stage, step, *_: seen.append((stage, step)), recipe=toy, data=short, examined=3,
    )  # fmt: skip
    assert ("bridge", 4) in seen
    described = json.loads((out / "backbone.json").read_text())
    assert described["measured"]["grounding, unseen"]["n"] == 3
    assert "| the thing is named, twemoji |" in (out / "README.md").read_text()
    backbone = Backbone.load(grafted(out, None), name="toy")
    measured = Backbone.load(grafted(out, None), name="toy", dtype=small.MEASURED_IN)
    assert described["measured_with"] == measured.digest
    assert f"Measured in {small.MEASURED_IN}." in (out / "README.md").read_text()
    (points,) = json.loads((out / "training.json").read_text()).values()
    assert [point["step"] for point in points] == [2, 4]
    assert {"loss", "noto_tokens", "unseen_things"} <= points[-1].keys()
    assert b"<svg" in (out / "training.svg").read_bytes()
    assert "![Training](training.svg)" in (out / "README.md").read_text()
    image = small_card.picture(short.entities[0], "noto")
    assert len(backbone.answer([Query("what is this?", image)], max_new_tokens=3)) == 1
    with pytest.raises(BenchError, match="toy needs a language model"):
        train_small(
            name="toy", language_model=None, workdir=tmp_path, out=out, progress=lambda *_: None, recipe=toy
        )


def test_a_card_names_things_in_the_edits_words_and_grounds_by_name(few: Picturebook) -> None:
    (flag,) = [e for e in few.entities if e.group == "flag"][:1]
    names = small_card._names([flag], "noto")
    assert names[0].answer == flag.name
    assert names[0].query.prompt == wordings.QUESTIONS["country"][0]
    for seen, told, value in small_card._grounding([flag], "noto"):
        assert seen.image is not None and told.image is None
        assert flag.name in told.prompt and flag.name not in seen.prompt
        assert value in {fact.value for fact in flag.facts}
    shares = small_card._shares(["The capital is Lima.", "lima", "rome"], ["lima", "Lima", "lima"])
    assert shares == {"exact": 0.3333, "said": 0.6667, "n": 3}


def test_aims_are_of_rows_that_are_measured(few: Picturebook) -> None:
    class Parrot:
        def answer(self, queries: Sequence[Query]) -> list[str]:
            return [query.prompt for query in queries]

    rows = small_card.measure(Parrot(), few, lambda *_: None, 2)  # type: ignore[arg-type]
    assert small_card.AIMS.keys() <= rows.keys()


def test_every_small_backbone_says_how_its_language_model_is_had() -> None:
    for recipe in SMALL.values():
        assert "--language-model" in recipe.language_model_from
        assert recipe.template.count("{picture}") == recipe.template.count("{prompt}") == 1
    assert small.STAGE == "bridge"
