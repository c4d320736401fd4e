"""The coordinate search: budgets, widening, refinement, and files of ladders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.searching.ladders import Ladder, climb, read_ladders
from mmedit_bench.runs.spec import canonical


class Hill:
    """A score with its top at given values; remembers what it was asked."""

    def __init__(self, top: Mapping[str, float]) -> None:
        self.top = top
        self.asked: list[str] = []

    def __call__(self, tries: Sequence[Mapping[str, Any]]) -> list[float]:
        self.asked += [canonical(own) for own in tries]
        return [-sum(abs(math.log(own[name] / at)) for name, at in self.top.items()) for own in tries]


def test_it_widens_until_the_best_is_inside() -> None:
    hill = Hill({"lr": 1.0})
    found = climb([Ladder.of("lr", [0.001, 0.003])], 40, hill)
    values = sorted(own["lr"] for own, _ in found.tried)
    assert values[-1] > found.best["lr"] > values[0] and not found.open_ends
    assert found.best["lr"] == pytest.approx(1.0, rel=0.1)


def test_a_budget_that_ends_too_early_says_which_end_is_open() -> None:
    found = climb([Ladder.of("lr", [0.001, 0.003])], 3, Hill({"lr": 1.0}))
    assert found.open_ends == ("lr",) and len(found.tried) == 3


def test_an_option_at_its_own_bound_has_no_open_end() -> None:
    found = climb([Ladder.of("n", [0, 1, 2])], 9, lambda tries: [-own["n"] for own in tries],
                  lambda name, value: value >= 0)  # fmt: skip
    assert found.best == {"n": 0} and not found.open_ends


def test_two_options_that_depend_on_each_other_are_gone_round_again() -> None:
    def ridge(tries: Sequence[Mapping[str, Any]]) -> list[float]:
        return [-3 * abs(own["b"] - 7) - abs(own["a"] - own["b"]) for own in tries]

    ladders = [Ladder.of("a", [1, 2, 4, 7]), Ladder.of("b", [1, 2, 4, 7])]
    assert climb(ladders, 20, ridge).best == {"a": 7, "b": 7}


def test_choices_are_neither_ordered_nor_widened() -> None:
    ladders = [Ladder.of("layer", [-3, -1], choices=True), Ladder.of("how", ["x", "y"])]
    found = climb(ladders, 30, lambda tries: [-own["layer"] + (own["how"] == "y") for own in tries])
    assert {own["layer"] for own, _ in found.tried} == {-3, -1}
    assert found.best == {"layer": -3, "how": "y"} and not found.open_ends


numbers = st.lists(st.floats(1e-4, 1e3).map(lambda x: float(f"{x:.2g}")), min_size=1, max_size=5, unique=True)


@given(rungs=numbers, other=numbers, budget=st.integers(1, 9), top=st.floats(1e-5, 1e4))
def test_no_trial_is_made_twice_and_no_budget_exceeded(
    rungs: list[float], other: list[float], budget: int, top: float
) -> None:
    hill = Hill({"a": top, "b": 1.0})
    found = climb([Ladder.of("a", rungs), Ladder.of("b", other)], budget, hill)
    assert len(hill.asked) == len(set(hill.asked)) == len(found.tried) <= budget
    assert max(score for _, score in found.tried) == hill([found.best])[0]
    if len(found.tried) < budget:  # nothing is left to try
        again = climb([Ladder.of("a", rungs), Ladder.of("b", other)], budget + 9, Hill(hill.top))
        assert again.tried == found.tried
    for name in found.open_ends:
        values = [own[name] for own, _ in found.tried]
        assert found.best[name] in (min(values), max(values))


def test_equals_go_to_the_first() -> None:
    found = climb([Ladder.of("a", [1.0, 2.0, 3.0])], 3, lambda tries: [0.0] * len(tries))
    assert found.best == {"a": 2.0}


def test_a_file_of_ladders(tmp_path: Path) -> None:
    path = tmp_path / "ladders.yaml"
    path.write_text("lr: [1e-3, 3.0e-3]\nlayer: {choices: [-1, -2]}\nhow: [x]\n")
    assert read_ladders(path) == (
        Ladder("lr", (0.001, 0.003), True), Ladder("layer", (-1, -2), False), Ladder("how", ("x",), False),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no mapping"),
        ("lr: 3", "lr is neither a list"),
        ("lr: []", "is empty"),
        ("lr: [1, 1]", "twice"),
        ("lr: {a: [1]}", "lr is neither a list"),
        ("{", "not YAML"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "ladders.yaml"
    path.write_text(text)
    with pytest.raises(BenchError, match=said) as told:
        read_ladders(path)
    assert str(path) in str(told.value)
