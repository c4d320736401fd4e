"""Plans: what the paper's tables consist of, and the numbers printed there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from mmedit_bench import reproduce
from mmedit_bench.cli.reproduce import TARGETS
from mmedit_bench.editors import Drawable
from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES
from mmedit_bench.reproduce.plans import FIG4B, PLANS, TABLE1, Plan, PlanRow
from mmedit_bench.reproduce.published import published
from mmedit_bench.reproduce.target import plan_of


def test_the_command_offers_the_plans() -> None:
    assert set(TARGETS) == set(PLANS)
    assert all(plan.target == target for target, plan in PLANS.items())
    with pytest.raises(BenchError, match="choose one of table1"):
        plan_of("table9")


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_every_row_is_an_editor_that_takes_its_options(plan: Plan) -> None:
    for place, row in plan.runs():
        assert place.backbone in BACKBONES.names() and place.suite in SUITES.names()
        EDITORS.load(row.editor)(**row.options)


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_every_row_that_is_said_to_be_published_is(plan: Plan) -> None:
    if plan.target == "smoke":
        return  # the same rows on another split: nothing is printed for it
    missing = {
        (place, row.key)
        for place, row in plan.runs()
        if row.published
        and not published(plan.published, place.published_backbone, place.published_task, row.published)
    }
    # table 4 is printed for one backbone and measured on both
    unprinted = {place for place in plan.places if place.backbone != "minigpt4-mini"}
    expected = unprinted if plan.target == "table4" else set()
    assert missing == {(place, row.key) for place in expected for row in plan.rows}


NOT_OF_THE_PAPER = {"lora", "projector", "grace"}
"""Editors that its table 1 has no kin of."""


def test_table_1_holds_all_editors_of_the_paper_with_their_shipped_settings() -> None:
    shipped = {name for name in EDITORS.names() if EDITORS.entry(name).distribution == "mmedit-bench"}
    assert {row.editor for row in TABLE1.rows} == shipped - NOT_OF_THE_PAPER
    assert not any(row.options for row in TABLE1.rows)
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


def test_a_plan_refuses_equal_rows_and_a_comparison_with_none() -> None:
    twice = (PlanRow("ft", "a"), PlanRow("ft", "b"))
    with pytest.raises(BenchError, match="two rows are the same"):
        Plan("x", "x", (), twice, 1)
    with pytest.raises(BenchError, match="no row 'unike'"):
        Plan("x", "x", (), twice[:1], 1, against="unike")
    assert len({row.key for row in FIG4B.rows}) == len(FIG4B.rows)


def test_a_plan_of_spaces_and_no_other_names_whose() -> None:
    rows = (PlanRow("ft", "a"),)
    assert Plan("x", "x", (), rows, 1, form="spaces", draws="ft").row("ft") is rows[0]
    for form, draws in (("spaces", None), ("spaces", "mend"), ("table", "ft")):
        with pytest.raises(BenchError, match="names in `draws` a row"):
            Plan("x", "x", (), rows, 1, form=form, draws=draws)  # type: ignore[arg-type]


def test_the_plan_of_spaces_names_an_editor_that_has_some() -> None:
    drawn = [plan for plan in PLANS.values() if plan.draws]
    assert [plan.target for plan in drawn] == ["fig5"]
    for plan in drawn:
        row = plan.row(plan.draws or "")
        assert isinstance(EDITORS.load(row.editor)(**row.options), Drawable)


def test_no_module_of_reproduce_but_the_plans_names_a_method() -> None:
    shipped = {name for name in EDITORS.names() if EDITORS.entry(name).distribution == "mmedit-bench"}
    for path in Path(reproduce.__file__).parent.glob("*.py"):
        if path.stem == "plans":
            continue
        words = set(re.findall(r"[a-z0-9-]+", ast.unparse(_without_docstrings(path)).lower()))
        assert not words & (shipped - {"null"}), path


def _without_docstrings(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            node.body = [
                item
                for item in node.body
                if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
            ] or [ast.Pass()]
    return tree
