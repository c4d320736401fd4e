"""Means over runs: what shares edits is resampled in step, what does not by itself."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.scoring import pooling
from mmedit_bench.scoring.edit_values import EditValues
from mmedit_bench.scoring.groups import Floats
from mmedit_bench.scoring.intervals import SEED, Estimate, resample_counts, spanned

EDITS = 200
COLUMN = "reliability/main"


class Run(SimpleNamespace):
    """What pooling looks at of a run."""

    table: EditValues


def run(values: Floats, suite: str = "s", sequence: int = 1, first: int = 0) -> Any:
    """A run of as many edits as there are values, in sequences of so many, from case `first` on."""
    numbers = range(first, first + len(values))
    own = [numbers[at : at + sequence] for at in range(0, len(values), sequence)]
    return walked(dict(zip(numbers, values.tolist(), strict=True)), own, suite)


def walked(values: Any, sequences: Sequence[Sequence[int]], suite: str = "s") -> Any:
    """A run of sequences, each given by the numbers of its cases, which have these values."""
    numbers = [number for own in sequences for number in own]
    count = len(numbers)
    units = tuple(f"unit-{at}" for at, own in enumerate(sequences) for _ in own)
    cases = tuple(f"case-{number:04d}" for number in numbers)
    table = EditValues(
        cases=cases, units=units, clusters=units, sorts=("x",) * count,
        tasks=("vqa",) * count, columns=(COLUMN,),
        values=np.array([[values[number]] for number in numbers]),
        probes=np.ones((count, 1), dtype=np.int64), unread=np.zeros((count, 1), dtype=np.int64),
    )  # fmt: skip
    return Run(
        table=table, state=SimpleNamespace(manifest=SimpleNamespace(spec=SimpleNamespace(suite=suite)))
    )


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "edit_values", lambda run, family: run.table)
    monkeypatch.setattr(pooling, "same_edits", lambda *sides: None)


def pooled(*runs: Any, against: Any = None) -> Estimate:
    found = pooling.pooled(runs, "generation", against)[COLUMN]
    assert isinstance(found, Estimate)
    return found


def width(*runs: Any, against: Any = None) -> float:
    found = pooled(*runs, against=against)
    assert found.low is not None and found.high is not None
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


NESTED = [range(20 * number, 20 * number + 20) for number in range(20)]
"""Twenty sequences of twenty edits."""
HALVES = [own[:10] for own in NESTED]
"""Each of the first half of one of those, as `disjoint_sets` draws the shorter ones."""


def shared_by_sequence() -> Floats:
    """By case: mostly what its sequence makes of it."""
    return np.clip(np.repeat(values(2, 20), 20) + values(3, 400) / 10, 0, 1)


def test_sequences_within_longer_ones_are_in_step() -> None:
    of = shared_by_sequence()
    short, long = walked(of, HALVES), walked(of, NESTED)
    found = pooled(short, long)
    each = np.array([[of[own].mean() for own in held] for held in (HALVES, NESTED)]).mean(axis=0)
    samples = resample_counts(20, seed=SEED) @ each / 20
    expected = spanned(each.mean(), samples, 20)
    assert expected is not None
    assert (found.value, found.low, found.high) == pytest.approx(
        tuple(100 * one for one in (expected.value, expected.low, expected.high) if one is not None)
    )
    apart = width(short, walked(of, NESTED, "t"))
    assert found.low is not None and found.high is not None
    # two draws of one thing would make of it what one of twice as many sequences is
    assert found.high - found.low == pytest.approx(apart * np.sqrt(2), rel=0.15)
    assert width(long, short) == pytest.approx(found.high - found.low)


def test_sequences_that_another_run_ties_together_are_one() -> None:
    """Each alone has bounds, and both together only where five of what is tied are left."""
    of = values(4)
    own = [range(4 * number, 4 * number + 4) for number in range(6)]
    across = [[3, 4], *([4 * number + 1, 4 * number + 2] for number in range(2, 6))]
    tied = [range(8), *own[2:]]
    assert pooled(walked(of, own), walked(of, across)) == pooled(walked(of, tied), walked(of, across))
    few = pooled(walked(of, own[:5]), walked(of, across))
    assert width(walked(of, own[:5])) > 0 and (few.low, few.high) == (None, None)
    alone = run(of[:20])
    assert pooled(walked(of, own[:5]), alone) == pooled(walked(of, own[:5]), walked(of, own[:5]))


SEQUENCES = st.lists(st.sets(st.integers(0, 11), min_size=1, max_size=4).map(sorted), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("st"), SEQUENCES), min_size=1, max_size=4))
def test_one_name_is_for_what_shares_an_edit_by_whatever_way(runs: list[tuple[str, list[list[int]]]]) -> None:
    tables = [walked(range(12), own).table for _, own in runs]
    found = pooling._named([suite for suite, _ in runs], tables)
    clusters = [{(suite, number) for number in own} for suite, held in runs for own in held]
    names = [
        {name for name, unit in zip(own, table.units, strict=True) if unit == f"unit-{at}"}
        for own, table, (_, held) in zip(found, tables, runs, strict=True)
        for at in range(len(held))
    ]
    assert all(len(own) == 1 for own in names)
    for first, reached in enumerate(clusters):
        while more := set().union(*(own for own in clusters if own & reached)) - reached:
            reached = reached | more
        for other, own in enumerate(clusters):
            assert (names[first] == names[other]) == bool(own & reached)


def test_edits_that_are_made_alone_go_by_their_case() -> None:
    one, two = run(values(0, 12)), run(values(1, 12), first=4)
    wanted = [[f"s {case}" for case in own.table.cases] for own in (one, two)]
    assert pooling._named(["s", "s"], [one.table, two.table]) == wanted
