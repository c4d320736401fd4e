"""Plain tables in every form, and how numbers of other units are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BenchError
from mmedit_bench.rendering.comparison import chance
from mmedit_bench.rendering.grid import Grid, csv_of, rendered
from mmedit_bench.rendering.sections import named, owner
from mmedit_bench.rendering.wording import COSTS, MISSING, amount, costs, count, factor
from mmedit_bench.scoring.scores import Cell, Cost

GRID = Grid("A | title", "a note", ("run", "x_1"), (("ft", "1.0"), ("un&ike", "12.5")))


def test_terminal_lines_numbers_up_on_the_right() -> None:
    assert rendered([GRID], "terminal").splitlines() == [
        "A | title", "a note", "", "run      x_1", "------  ----", "ft       1.0", "un&ike  12.5",
    ]  # fmt: skip


def test_markdown_and_latex_escape_what_they_read() -> None:
    text = rendered([GRID], "markdown")
    assert text.startswith(r"### A \| title") and "| --- | ---: |" in text and r"x\_1" in text
    text = rendered([GRID, GRID], "latex")
    assert (
        text.count(r"\begin{table}") == 2 and r"un\&ike & 12.5 \\" in text and r"\begin{tabular}{lr}" in text
    )


def test_csv_keeps_none_apart_from_zero() -> None:
    assert csv_of(("a", "b"), [(None, 0), ("x,y", 0.1)]) == 'a,b\n,0\n"x,y",0.1\n'


def test_amounts_carry_their_unit() -> None:
    def cell(value: float | None, low: float | None, high: float | None, unit: str) -> Cell:
        return Cell(value, low, high, 10, 10, "x", None, unit)

    assert amount(cell(12.34, 10.0, 14.0, "percent")) == "12.3±2.0"
    assert amount(cell(0.01234, 0.01, 0.02, "nats")) == "0.012±0.005"
    assert amount(cell(-3.0, -4.0, -2.0, "points")) == "-3.0±1.0"
    assert amount(cell(5.0, None, None, "points")) == "+5.0"
    assert amount(cell(None, None, None, "nats")) == amount(None) == MISSING


def test_costs_are_spelled_in_the_order_of_their_heads() -> None:
    assert costs(Cost()) == (MISSING,) * len(COSTS)
    found = costs(Cost(0.5, 3_100, 10, 775, 1.25, 3, 2e9, 90))
    assert found == ("0.50", "3.1 kB", "775", "1.25x", "2.0 GB", "90")
    assert [count(value) for value in (None, 0, 96, 3_120, 7e6, 2e9)] == [
        MISSING, "0", "96", "3.1 k", "7.0 M", "2.0 bn",
    ]  # fmt: skip
    assert factor(0.996) == "1.00x"


@given(st.floats(0, 1))
def test_p_values_never_read_as_zero(p: float) -> None:
    text = chance(p)
    assert text == "<0.0001" if p < 1e-4 else float(text) > 0


def test_sections_belong_to_one_family() -> None:
    assert owner("harm/teacher_forced_exact") == "teacher_forced_exact"
    assert owner("gap/teacher_forced_exact") == owner("over") == owner("harm/generation") == "generation"


def test_an_unknown_section_names_those_there_are(tmp_path) -> None:
    from mmedit_bench.scoring.score import scored
    from tests.leaderboard.fake import EDITORS, FakeSuite, fake_run

    suite = FakeSuite(count=6)
    run = scored(fake_run(tmp_path, suite, EDITORS[2]), suite)
    assert named(run, "harm", "generation")[0] == "harm/generation"
    assert named(run, "gap/teacher_forced_exact", "generation")[1].unit == "points"
    with pytest.raises(BenchError, match="no section 'harmony' by generation; it has spread/generation"):
        named(run, "harmony", "generation")
