"""How single numbers are spelled, in plain text and in LaTeX."""

from __future__ import annotations

import pytest

from mmedit_bench.rendering.latex import floating, numbered
from mmedit_bench.rendering.wording import difference, with_margin
from mmedit_bench.scoring.scores import Cell


def cell(value: float | None, low: float | None = None, high: float | None = None) -> Cell:
    return Cell(value, low, high, n=8, edits=8, label="generation_exact")


@pytest.mark.parametrize(
    ("found", "plain", "set_in_latex"),
    [
        (cell(50.04, 40.0, 61.0), "50.0 ±10.5", r"50.0\,{\scriptsize$\pm$10.5}"),
        (cell(50.04), "50.0", "50.0"),
        (cell(None), "–", "--"),
        (None, "–", "--"),
    ],
)
def test_a_number_with_an_interval_without_one_and_none(
    found: Cell | None, plain: str, set_in_latex: str
) -> None:
    assert with_margin(found) == plain
    assert numbered(found) == set_in_latex


def test_a_difference_bears_its_sign_and_its_interval_where_there_is_one() -> None:
    assert difference(-1.26, -2.0, 0.5) == "-1.3 [-2.0, +0.5]"
    assert difference(4.0, None, None) == "+4.0"


def test_whether_0_lies_in_an_interval_can_be_seen() -> None:
    assert difference(1.0, 0.01, 1.9) == "+1.0 [+0.01, +1.9]"
    assert difference(0.6, -0.04, 1.2) == "+0.6 [-0.04, +1.2]"
    assert difference(0.6, 0.0, 0.004) == "+0.6 [0.0, +0.004]"
    assert difference(0.0, -0.0, 0.0) == "+0.0 [0.0, 0.0]"


def test_caption_and_notes_are_texts_and_the_lines_are_latex() -> None:
    table = floating("50 % of a_b", "lr", [r"\textit{a} & b \\"], [r"1 & $\pm$2 \\"], ["– & more"])
    assert r"\caption{50 \% of a\_b}" in table and r"\footnotesize -- \& more" in table
    assert table.index(r"\textit{a} & b \\") < table.index(r"\midrule") < table.index(r"1 & $\pm$2 \\")
