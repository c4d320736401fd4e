"""Plans: what the paper's tables consist of, and the numbers printed there."""

from __future__ import annotations

import pytest

from mmedit_bench.cli.reproduce import TARGETS
from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES
from mmedit_bench.reproduce.plans import FIG4B, PLANS, TABLE1, Entry, Plan
from mmedit_bench.reproduce.produce import plan_of
from mmedit_bench.reproduce.published import published


def test_the_command_offers_the_plans() -> None:
    assert set(TARGETS) == set(PLANS)
    assert all(plan.target == target for target, plan in PLANS.items())
    with pytest.raises(BenchError, match="choose one of table1"):
        plan_of("table9")


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_every_entry_is_an_editor_that_takes_its_options(plan: Plan) -> None:
    for place, entry in plan.jobs():
        assert place.backbone in BACKBONES.names() and place.suite in SUITES.names()
        EDITORS.load(entry.editor)(**entry.options)


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_every_row_that_is_said_to_be_published_is(plan: Plan) -> None:
    if plan.target == "smoke":
        return  # the same rows on another split: nothing is printed for it
    missing = {
        (place, entry.key)
        for place, entry in plan.jobs()
        if entry.published
        and not published(plan.published, place.published_backbone, place.published_task, entry.published)
    }
    # table 4 is printed for one backbone and measured on both
    unprinted = {place for place in plan.places if place.backbone != "minigpt4-mini"}
    expected = unprinted if plan.target == "table4" else set()
    assert missing == {(place, entry.key) for place in expected for entry in plan.entries}


def test_table_1_holds_all_shipped_editors_with_their_shipped_settings() -> None:
    shipped = {name for name in EDITORS.names() if EDITORS.entry(name).distribution == "mmedit-bench"}
    assert {entry.editor for entry in TABLE1.entries} == shipped
    assert not any(entry.options for entry in TABLE1.entries)
    assert TABLE1.limit >= 300 and TABLE1.split == "evaluation"
    assert len(TABLE1.places) == 4


def test_printed_numbers_are_those_of_the_paper() -> None:
    row = published("Table 1", "MiniGPT-4", "vqa", "UniKE")
    assert row is not None
    assert row["mean"] == pytest.approx(
        (row["reliability/main"] + row["generality"] + row["locality"]) / 3, abs=0.01
    )
    ablation = published("Table 4", "MiniGPT-4", "vqa", "only Latent-IKE")
    assert ablation is not None and ablation["reliability/main"] == 94.6
    assert published("Table 1", "MiniGPT-4", "vqa", "nobody") is None


def test_a_plan_refuses_equal_entries_and_a_comparison_with_none() -> None:
    twice = (Entry("ft", "a"), Entry("ft", "b"))
    with pytest.raises(BenchError, match="two entries are the same"):
        Plan("x", "x", (), twice, 1, against=None)
    with pytest.raises(BenchError, match="no entry 'unike'"):
        Plan("x", "x", (), twice[:1], 1)
    assert len({entry.key for entry in FIG4B.entries}) == len(FIG4B.entries)
