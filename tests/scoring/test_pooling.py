"""Means over runs: what shares edits is resampled in step, what does not by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmedit_bench.scoring import pooling
from mmedit_bench.scoring.edit_values import EditValues
from mmedit_bench.scoring.groups import Floats
from mmedit_bench.scoring.intervals import Estimate

EDITS = 200
COLUMN = "reliability/main"


class Run(SimpleNamespace):
    """What pooling looks at of a run."""

    table: EditValues


def run(values: Floats, suite: str = "s", sequence: int = 1, first: int = 0) -> Any:
    """A run of as many edits as there are values, in sequences of so many, from case `first` on."""
    count = len(values)
    cases = tuple(f"case-{first + number:04d}" for number in range(count))
    units = tuple(f"unit-{number // sequence}" for number in range(count))
    table = EditValues(
        cases=cases, units=units, clusters=cases if sequence == 1 else units, sorts=("x",) * count,
        tasks=("vqa",) * count, columns=(COLUMN,), values=values[:, None],
        probes=np.ones((count, 1), dtype=np.int64), unread=np.zeros((count, 1), dtype=np.int64),
    )  # fmt: skip
    return Run(
        table=table, state=SimpleNamespace(manifest=SimpleNamespace(spec=SimpleNamespace(suite=suite)))
    )


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "edit_values", lambda run, family: run.table)
    monkeypatch.setattr(pooling, "same_edits", lambda *sides: None)


def width(*runs: Any, against: Any = None) -> float:
    found = pooling.pooled(runs, "generation", against)[COLUMN]
    assert isinstance(found, Estimate) and found.low is not None and found.high is not None
    return found.high - found.low


def values(seed: int, count: int = EDITS) -> Floats:
    return np.random.default_rng(seed).random(count)


def test_the_same_edits_twice_tell_no_more_than_once() -> None:
    one = run(values(0))
    assert width(one, run(values(0))) == pytest.approx(width(one))


def test_what_is_hard_on_one_backbone_and_easy_on_the_other_evens_out() -> None:
    one, turned = run(values(0)), run(1 - values(0))
    assert width(one, turned) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("other", [{"suite": "t"}, {"first": EDITS}], ids=["suite", "cases"])
def test_other_edits_are_drawn_by_themselves(other: dict[str, Any]) -> None:
    one, two = run(values(0)), run(values(0), **other)
    assert width(one, two) == pytest.approx(width(one) / np.sqrt(2), rel=0.15)


def test_edits_that_two_runs_share_in_part_are_in_step() -> None:
    """Nearly all are: the interval is nearly that of one run, for a number that depends on the edit alone."""
    whole = values(0, EDITS + 3)
    one, two = run(whole[:EDITS]), run(whole[3:], first=3)
    assert width(one, two) == pytest.approx(width(one), rel=0.1)
    # and so are runs that share none with each other, but some with a third
    half = EDITS // 2
    chain = [run(whole[:EDITS]), run(whole[:half]), run(whole[half:EDITS], first=half)]
    assert pooling._in_step([frozenset(own.table.cases) for own in chain]) == [[0, 1, 2]] * 3


def test_sequences_are_known_by_their_edits_and_not_by_their_names() -> None:
    one, two = run(values(0), sequence=10), run(values(0), sequence=10, first=EDITS)
    assert one.table.clusters == two.table.clusters
    assert width(one, two) == pytest.approx(width(one) / np.sqrt(2), rel=0.2)
    assert width(one, run(values(0), sequence=10)) == pytest.approx(width(one))


def test_differences_are_in_step_too() -> None:
    easier = np.clip(values(0) + values(1) / 10, 0, 1)
    own, others = [run(easier), run(easier)], [run(values(0)), run(values(0))]
    assert width(*own, against=others) == pytest.approx(width(own[0], against=others[:1]))
