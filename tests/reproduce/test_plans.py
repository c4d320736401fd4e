"""Plans: what the paper's tables consist of, and the numbers printed there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from mmedit_bench import reproduce
from mmedit_bench.cli.reproduce import TARGETS
from mmedit_bench.editors import Drawable
from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES
from mmedit_bench.plugins.settings import options_of
from mmedit_bench.reproduce.plan import Plan, PlanRow, narrowed
from mmedit_bench.reproduce.plan_runs import Means, order_for
from mmedit_bench.reproduce.plans import FIG4B, PLANS, SEQUENCES, TABLE1, TABLE2, TABLE3, TABLE4, TABLE5
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
        made = EDITORS.load(row.editor)
        made(**row.options)
        named = {field for _, field, *_ in Formatter().parse(row.label) if field}
        assert not named or named <= {option.name for option in options_of(made.settings_type)}


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_every_row_that_is_said_to_be_published_is(plan: Plan) -> None:
    if plan.target == "smoke":
        return  # the same rows on another split: nothing is printed for it
    missing = {
        (place.title, row.key)
        for place, row in plan.runs()
        if row.published
        and not published(
            plan.published if place.published_table is None else place.published_table,
            place.published_backbone, place.published_task, row.published,
        )
    }  # fmt: skip
    # table 4 is printed for one backbone and measured on both; of table 3 one order and length is printed
    unprinted = {
        place.title
        for place in plan.places
        if (plan.target == "table4" and place.backbone != "minigpt4-mini") or place.published_table == ""
    }
    assert missing == {(place, row.key) for place in unprinted for row in plan.rows if row.published}


def test_sequences_leave_out_what_has_none_and_table_5_pools_both() -> None:
    rows = {row.editor for row in TABLE1.rows}
    assert {row.editor for row in SEQUENCES} == rows - {"copy-target", "ike", "ike-legacy"}
    assert TABLE2.rows == TABLE3.rows == SEQUENCES
    one_step, sequential = TABLE5.blocks
    assert [place.protocol for place in (*one_step, *sequential)] == ["one-step"] * 4 + ["sequential"] * 4
    # the same runs as those of the tables that it summarises
    orders = {repr(order_for(plan, *run, Means())) for plan in (TABLE1, TABLE2) for run in plan.runs()}
    assert {repr(order_for(TABLE5, *run, Means())) for run in TABLE5.runs()} == orders


def test_table_1_holds_all_shipped_editors_with_their_shipped_settings() -> None:
    shipped = {name for name in EDITORS.names() if EDITORS.entry(name).distribution == "mmedit-bench"}
    assert {row.editor for row in TABLE1.rows} == shipped
    beside = [row.key for row in TABLE1.rows if row.options]
    assert beside == ["t-patcher memory_weight=5.0", "ike demonstrations=8"]
    assert not {row.key for row in SEQUENCES} & set(beside)
    assert TABLE1.limit >= 300 and TABLE1.split == "evaluation"
    assert len(TABLE1.places) == 4


def test_printed_numbers_are_those_of_the_paper() -> None:
    row = published("Table 1", "MiniGPT-4", "vqa", "UniKE")
    assert row is not None
    assert row["mean"] == pytest.approx(
        (row["reliability/main"] + row["generality"] + row["locality"]) / 3, abs=0.01
    )
    sequence = published("Table 2b", "MiniGPT-4", "vqa", "SERAC")
    assert sequence is not None and sequence["image_locality/main"] == 10.7
    across = published("Table 3", "MiniGPT-4", "both", "UniKE")
    assert across is not None and across["text_generality/main"] == 88.2
    for kind, backbone, mean in (
        ("one-step", "BLIP-2 OPT + MiniGPT-4 (mean)", (98.0, 95.1, 93.8)),
        ("sequential", "MiniGPT-4", (90.2, 86.2, 85.9)),
    ):
        printed = published(f"Table 5 {kind}", backbone, "both", "UniKE")
        assert printed is not None
        assert tuple(printed[name] for name in ("reliability/main", "generality", "locality")) == mean
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
    with pytest.raises(BenchError, match="says what it pools"):
        Plan("x", "x", (), twice[:1], 1, form="means")


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


def test_table_4_shows_text_with_the_searched_number_of_examples_and_with_eight() -> None:
    text = [row.options for row in TABLE4.rows if row.options.get("external") == "context"]
    assert [options.get("examples", -1) for options in text] == [-1, 8]
    labels = [row.label for row in TABLE4.rows if row.options in text]
    assert all("{examples} examples" in label for label in labels)


def test_some_backbones_alone() -> None:
    own = narrowed(TABLE5, backbones=["minigpt4-mini"])
    assert {place.backbone for place in own.places} == {"minigpt4-mini"} and own.pools == TABLE5.pools
    assert own.rows == TABLE5.rows
    other = narrowed(TABLE5, backbones=["blip2-opt-mini"])  # no sequence is measured there
    assert list(other.pools) == ["Table 5 one-step"] and len(other.blocks) == 1
    with pytest.raises(
        BenchError, match=r"table2 has no block on backbone 'blip2-opt-mini'; .* minigpt4-mini"
    ):
        narrowed(TABLE2, backbones=["blip2-opt-mini"])


def test_some_suites_alone() -> None:
    own = narrowed(TABLE1, backbones=["blip2-opt-mini"], suites=["picturebook-vqa"])
    assert [(place.backbone, place.suite) for place in own.places] == [("blip2-opt-mini", "picturebook-vqa")]
    assert narrowed(TABLE1) == TABLE1
    with pytest.raises(BenchError, match=r"table1 has no block on suite 'vqa'; it has some on picturebook-v"):
        narrowed(TABLE1, suites=["vqa"])
    # a suite that the plan has, and not on the backbone that is asked for
    with pytest.raises(BenchError, match=r"no block on suite 'picturebook-mix'"):
        narrowed(TABLE5, backbones=["blip2-opt-mini"], suites=["picturebook-mix"])
