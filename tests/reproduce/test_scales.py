"""The plans at the paper's scale: other places, and the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.presence import PAPER_BACKBONES
from mmedit_bench.plugins.registry import BACKBONES, SUITES
from mmedit_bench.reproduce.plan import Plan
from mmedit_bench.reproduce.plan_runs import Means, order_for
from mmedit_bench.reproduce.plans import PLANS, TABLE1, TABLE2, TABLE5
from mmedit_bench.reproduce.published import published
from mmedit_bench.reproduce.scales import BACKBONES as MOVED
from mmedit_bench.reproduce.scales import LEFT_OUT, PAPER, SMALL, SMALL_BACKBONE, at_scale, check

THERE = [plan for target, plan in PLANS.items() if target not in LEFT_OUT]


@pytest.mark.parametrize("plan", THERE, ids=lambda plan: plan.target)
def test_only_places_and_limits_differ(plan: Plan) -> None:
    moved = at_scale(plan, PAPER)
    assert at_scale(plan, "embedded") is plan
    assert (moved.scale, plan.scale) == (PAPER, "")
    assert moved.rows == plan.rows and len(moved.places) == len(plan.places)
    for own, other in zip(moved.places, plan.places, strict=True):
        assert own.backbone == MOVED[other.backbone] and own.backbone in BACKBONES.names()
        assert own.suite.startswith("mmedit-") and own.suite in SUITES.names()
        assert own._replace(backbone=other.backbone, suite=other.suite, limit=other.limit) == other


def test_the_doctor_knows_which_backbones_the_paper_measures() -> None:
    assert tuple(MOVED.values()) == PAPER_BACKBONES


def test_published_test_splits_are_measured_whole_and_sequences_are_not_longer() -> None:
    means = Means(loading={"minigpt4-7b": {"weights": "x"}})
    one_step = [order_for(plan, *run, means) for plan in [at_scale(TABLE1, PAPER)] for run in plan.runs()]
    assert {order.limit for order in one_step} == {None}
    assert {order.backbone: order.loading for order in one_step} == {
        "blip2-opt-2.7b": {}, "minigpt4-7b": {"weights": "x"},
    }  # fmt: skip
    moved = at_scale(TABLE2, PAPER)
    walked = [order_for(moved, *run, means) for run in moved.runs()]
    assert {order.limit for order in walked} == {TABLE2.limit}
    pooled = at_scale(TABLE5, PAPER)  # of the same runs
    orders = {repr(order) for order in (*one_step, *walked)}
    assert {repr(order_for(pooled, *run, means)) for run in pooled.runs()} <= orders
    assert (
        order_for(at_scale(PLANS["smoke"], PAPER), *next(at_scale(PLANS["smoke"], PAPER).runs()), means).limit
        == 20
    )


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_the_small_scale_has_one_backbone_and_fewer_edits(plan: Plan) -> None:
    moved = at_scale(plan, SMALL)
    assert moved.rows == plan.rows and moved.scale == SMALL
    assert {place.backbone for place in moved.places} == {SMALL_BACKBONE}
    # the same suites in the same orders, each once
    assert [(place.suite, place.order) for place in moved.places] == list(
        dict.fromkeys((place.suite, place.order) for place in plan.places)
    )
    for place in moved.places:
        options = place.protocol_options
        if not options:
            assert place.limit is not None and place.limit <= 100
            continue
        assert options["length"] * options["sequences"] * options["orders"] <= max(100, 2 * options["length"])
        assert options["sequences"] * options["orders"] >= 2, "nothing could be said of their spread"


def test_the_papers_numbers_stand_beside() -> None:
    for place, row in at_scale(TABLE1, PAPER).runs():
        if row.published:
            assert published("Table 1", place.published_backbone, place.published_task, row.published)


@pytest.mark.parametrize("target", LEFT_OUT)
def test_what_is_not_there_says_why(target: str) -> None:
    with pytest.raises(BenchError, match=f"{target} is not at the scale 'paper': "):
        at_scale(PLANS[target], PAPER)


def test_all_that_is_missing_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("MMEDIT_BENCH_DATA", str(tmp_path))
    places = at_scale(TABLE1, PAPER).places
    with pytest.raises(BenchError) as told:
        check(places, Means())
    text = str(told.value)
    assert "weights of blip2-opt-2.7b: Salesforce/blip2-opt-2.7b is neither" in text
    assert "weights of minigpt4-7b: minigpt4-7b is published in parts" in text
    assert "data mmedit: " in text and "vqa_train.json" in text
    assert "`mmedit-bench doctor --backbone blip2-opt-2.7b --data mmedit`" in text
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text("{}")
    with pytest.raises(BenchError, match=r"half lacks model\.safetensors, tokenizer\.json, preprocessor"):
        check(places[2:3], Means(loading={"minigpt4-7b": {"weights": str(tmp_path / "half")}}))
