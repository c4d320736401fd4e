"""Numbers of sequences against loops over the raw answers, one resample at a time."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.steps import Apply
from mmedit_bench.runs.folder import RunFolder, read_run
from mmedit_bench.runs.records import Asked, lines_of
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.intervals import resample_counts
from mmedit_bench.scoring.matched import lifelong_gap
from mmedit_bench.scoring.normalize import same_answer
from mmedit_bench.scoring.score import checked_run, scored, scores_of
from mmedit_bench.scoring.scores import TEXT_ALONE, TOO_FEW
from mmedit_bench.scoring.sequences import NO_AGE_0, ONE_ORDER, ONE_POINT, sequence_scores
from mmedit_bench.scoring.tails import left_out
from tests.leaderboard.fake import FakeEditor, FakeSuite, fake_run

PARTS = (
    "reliability/main", "text_generality/main", "image_generality/main",
    "text_locality/main", "image_locality/main",
)  # fmt: skip


class TwoTasks(FakeSuite):
    """Every other case is a caption."""

    def _case(self, number: int) -> EditCase:
        return dataclasses.replace(super()._case(number), task=("vqa", "caption")[number % 2])


SUITE = TwoTasks(count=40)
CASES = {case.id: case for case in SUITE.cases("evaluation")}
SEQUENCES: dict[str, Any] = {"length": 8, "orders": 3, "checkpoints": [1, 4], "ages": [0, 2, 5]}


def made(out: Path, skill: Callable[[Asked], float], **changes: Any) -> Path:
    """A run whose answers are right by chance, with the skill that an ask calls for."""
    editor = FakeEditor("ft", stops=changes.pop("stops", None))
    folder = fake_run(out, SUITE, editor, **changes)
    state = read_run(folder)
    records: list[Any] = []
    for record in state.records:
        if isinstance(record, Asked):
            rng = random.Random(f"{record.unit} {record.case} {record.moment}")
            probes = []
            for probe, own in zip(CASES[record.case].probes, record.probes, strict=True):
                good = rng.random() < skill(record)
                answer = probe.reference if good else "something quite different"
                probes.append(
                    dataclasses.replace(own, reading=dataclasses.replace(own.reading, answer=answer))
                )
            record = dataclasses.replace(record, probes=tuple(probes))
        records.append(record)
    RunFolder(folder).predictions.write_bytes(lines_of(records, state.manifest.spec.evidence))
    return folder


def sequential(out: Path, skill: Callable[[Asked], float], **options: Any) -> Checked:
    values = SEQUENCES | options
    folder = made(out, skill, protocol="sequential", protocol_version="2", protocol_options=values)
    return checked_run(folder, SUITE)


def fading(ask: Asked) -> float:
    """Worse by age and by number of edits."""
    if ask.moment.startswith("age "):
        return 0.9 - 0.15 * int(ask.moment[4:])
    return 0.9 - 0.06 * len(ask.edits)


Rows = list[tuple[str, dict[str, float]]]
"""Cluster and values by column, a row for each ask."""


def rows_at(run: Checked, moment: str, wanted: Callable[[Asked], bool] = lambda ask: True) -> Rows:
    """By hand: what each ask of a moment says in the columns of the means."""
    rows: Rows = []
    for ask in run.state.asks:
        if ask.moment != moment or not wanted(ask):
            continue
        found: dict[str, list[float]] = defaultdict(list)
        bases = run.baseline.probes[ask.case]
        for probe, base, own in zip(CASES[ask.case].probes, bases, ask.probes, strict=True):
            right = base.reading.answer if probe.kind.endswith("locality") else probe.reference
            found[f"{probe.kind}/{probe.stratum}"].append(float(same_answer(own.reading.answer, right)))
        values = {key: statistics.fmean(own) for key, own in found.items()}
        rows.append((ask.unit.partition("/")[0], values))
    return rows


def mean(rows: Rows, key: str) -> float:
    """Of a column or a group."""
    if key == "generality":
        return (mean(rows, PARTS[1]) + mean(rows, PARTS[2])) / 2
    if key == "locality":
        return (mean(rows, PARTS[3]) + mean(rows, PARTS[4])) / 2
    if key == "mean":
        return (mean(rows, PARTS[0]) + mean(rows, "generality") + mean(rows, "locality")) / 3
    return statistics.fmean(row[key] for _, row in rows) if rows else math.nan


def resamples(tables: Mapping[Any, Rows], number: Callable[[Mapping[Any, Rows]], float]) -> list[float]:
    """The number over each resample of sequences, drawn by writing their rows out several times."""
    names = sorted({cluster for rows in tables.values() for cluster, _ in rows})
    grouped = {at: {n: [row for row in rows if row[0] == n] for n in names} for at, rows in tables.items()}
    found = []
    for counts in resample_counts(len(names)):
        drawn = {
            at: [row for name, times in zip(names, counts, strict=True) for row in own[name] * int(times)]
            for at, own in grouped.items()
        }
        found.append(number(drawn))
    return found


def area(tables: Mapping[int, Rows], key: str) -> float:
    places = sorted(tables)
    total = sum(
        (b - a) * (mean(tables[a], key) + mean(tables[b], key)) / 2 for a, b in itertools.pairwise(places)
    )
    return total / (places[-1] - places[0])


def half_life(tables: Mapping[int, Rows], key: str) -> float:
    first = mean(tables[0], key)
    return next((age for age in sorted(tables) if mean(tables[age], key) < first / 2), math.inf)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    return sequential(tmp_path_factory.mktemp("faded"), fading)


def test_curve_and_retention(run: Checked) -> None:
    scores = sequence_scores(run, "generation")
    assert scores is not None
    assert (scores.length, scores.sequences, scores.orders) == (8, 5, 3)
    assert [point.at for point in scores.curve] == [1, 4, 8]
    assert [point.at for point in scores.retention] == [0, 2, 5]
    for points, name in ((scores.curve, "after {}"), (scores.retention, "age {}")):
        for point in points:
            rows = rows_at(run, "end" if point.at == 8 else name.format(point.at))
            for key in (*PARTS, "generality", "locality", "mean"):
                assert point.cells[key].value == pytest.approx(100 * mean(rows, key))
                assert point.cells[key].edits == len(rows)


@pytest.mark.parametrize("key", ["reliability/main", "mean"])
def test_area_and_half_life_with_their_resamples(run: Checked, key: str) -> None:
    scores = sequence_scores(run, "generation")
    assert scores is not None
    curve = {1: rows_at(run, "after 1"), 4: rows_at(run, "after 4"), 8: rows_at(run, "end")}
    cell = scores.area[key]
    assert cell.value == pytest.approx(100 * area(curve, key))
    out = left_out(5)
    low, high = np.percentile(resamples(curve, lambda tables: area(tables, key)), [out, 100 - out])
    assert (cell.low, cell.high) == (pytest.approx(100 * low), pytest.approx(100 * high))

    ages = {gap: rows_at(run, f"age {gap}") for gap in (0, 2, 5)}
    life = scores.half_life[key]
    expected = half_life(ages, key)
    assert life.edits == (None if math.isinf(expected) else expected)
    found = sorted(resamples(ages, lambda tables: half_life(tables, key)))
    bounds = [found[math.ceil(share * len(found)) - 1] for share in (out / 100, 1 - out / 100)]
    assert [life.low, life.high] == [None if math.isinf(bound) else bound for bound in bounds]


def deviation(run: Checked, key: str, last: int = 3) -> float:
    """Root of the mean variance between walks; of the last sequence only so many orders count."""
    variances = []
    for number in range(5):
        walks = []
        for order in range(last if number == 4 else 3):
            unit = f"sequence-{number}/order-{order}"
            walks.append(mean(rows_at(run, "end", lambda ask, u=unit: ask.unit == u), key))  # type: ignore[misc]
        variances.append(statistics.variance(walks))
    return math.sqrt(statistics.fmean(variances))


@pytest.mark.parametrize("key", ["reliability/main", "locality", "mean"])
def test_order_alone(run: Checked, key: str) -> None:
    scores = sequence_scores(run, "generation")
    assert scores is not None
    cell = scores.order_deviation[key]
    assert cell.value == pytest.approx(100 * deviation(run, key))
    assert cell.low < cell.value < cell.high


def test_the_same_answers_in_every_order_have_no_deviation(tmp_path: Path) -> None:
    found = sequence_scores(sequential(tmp_path, lambda ask: 1.0), "generation")
    assert found is not None
    cell = found.order_deviation["mean"]
    assert (cell.value, cell.low, cell.high) == (0, 0, 0)
    life = found.half_life["reliability/main"]
    assert (life.edits, life.low, life.high, life.oldest) == (None, None, None, 5)
    assert life.reason == "not under half within 5 edits"
    assert found.area["reliability/main"].value == pytest.approx(100)


def test_what_there_is_no_number_for_has_its_reason(tmp_path: Path) -> None:
    few = sequence_scores(
        sequential(tmp_path, fading, length=20, ages=[2], orders=1, checkpoints=[]), "generation"
    )
    assert few is not None and few.sequences == 2
    assert few.half_life["mean"].reason == NO_AGE_0
    assert (few.area["mean"].value, few.area["mean"].reason) == (None, ONE_POINT)
    assert few.order_deviation["mean"].reason == ONE_ORDER
    assert few.curve[0].cells["mean"].reason == TOO_FEW
    two = sequence_scores(sequential(tmp_path, fading, length=20, ages=[0, 5]), "generation")
    assert two is not None
    for cell in (two.area["mean"], two.order_deviation["mean"]):
        assert cell.value is not None and (cell.low, cell.reason) == (None, TOO_FEW)
    assert two.half_life["reliability/main"].low is None
    assert sequence_scores(checked_run(made(tmp_path, fading), SUITE), "generation") is None


def test_an_order_cut_short_is_no_walk(run: Checked) -> None:
    state = dataclasses.replace(run.state, segments=run.state.segments[:-1])
    cut = dataclasses.replace(run, state=state)
    assert 0 < len(rows_at(cut, "end")) < len(rows_at(run, "end"))
    found = sequence_scores(cut, "generation")
    assert found is not None
    assert found.order_deviation["mean"].value == pytest.approx(100 * deviation(run, "mean", last=2))


PROTOCOLS: dict[str, dict[str, Any]] = {
    "sequential": {"length": 4, "orders": 2, "checkpoints": [1], "ages": [0, 2]},
    "cross-task": {"length": 4, "orders": 2, "checkpoints": [2]},
    "conflict": {"between": 3},
    "rollback": {"length": 4},
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_run_is_scored_as_far_as_it_has_come(tmp_path: Path, name: str) -> None:
    """After every segment; a number that is not there yet has its reason."""
    version = {"sequential": "2"}.get(name, "1")
    options = {"protocol": name, "protocol_version": version, "protocol_options": PROTOCOLS[name]}
    run = checked_run(made(tmp_path, fading, **options, limit=12), SUITE)
    for size in range(len(run.state.segments) + 1):
        state = dataclasses.replace(run.state, segments=run.state.segments[:size])
        values = json.loads(scores_of(dataclasses.replace(run, state=state)).text())
        cells = [one for one in _dicts(values) if "value" in one or "oldest" in one]
        assert len(cells) > 100
        assert all(one["reason"] for one in cells if one.get("value", one.get("edits")) is None)


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for own in value.values():
            yield from _dicts(own)
    elif isinstance(value, list):
        for own in value:
            yield from _dicts(own)


def test_a_column_that_is_empty_once_says_why(run: Checked) -> None:
    """A route answered one question at a checkpoint, and nothing at the end."""
    segments = []
    for segment in run.state.segments:
        records = []
        for record in segment:
            if isinstance(record, Asked) and record.moment in ("after 4", "age 2"):
                probes = [
                    dataclasses.replace(
                        one, reading=dataclasses.replace(one.reading, argmax=None, logprobs=None)
                    )
                    for one in record.probes
                ]
                record = dataclasses.replace(record, probes=tuple(probes))
            records.append(record)
        segments.append(tuple(records))
    routed = dataclasses.replace(run, state=dataclasses.replace(run.state, segments=tuple(segments)))
    found = sequence_scores(routed, "teacher_forced_token")
    assert found is not None and found.curve[-1].cells["mean"].value is not None
    assert (found.area["mean"].value, found.area["mean"].reason) == (None, TEXT_ALONE)
    assert (found.half_life["mean"].edits, found.half_life["mean"].reason) == (None, TEXT_ALONE)


def test_the_lifelong_gap(run: Checked, tmp_path: Path) -> None:
    alone = checked_run(made(tmp_path, lambda ask: 0.95), SUITE)
    cells = lifelong_gap(run, alone, "generation")
    by_case = {
        ask.case: rows_at(alone, "end", lambda own, c=ask.case: own.case == c)[0][1]  # type: ignore[misc]
        for ask in alone.state.asks
    }
    for key in (*PARTS, "generality", "mean"):
        asks = [ask for ask in run.state.asks if ask.moment == "end"]
        one: Rows = [("", by_case[ask.case]) for ask in asks]
        expected = mean(one, key) - mean(rows_at(run, "end"), key)
        assert cells[key].value == pytest.approx(100 * expected)
    assert cells["reliability/main"].low < cells["reliability/main"].value < cells["reliability/main"].high
    # where both runs have the same answers there is no gap, however unequal the cases are
    zero = lifelong_gap(alone, alone, "generation")
    assert (zero["mean"].value, zero["mean"].low, zero["mean"].high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"editor_version": "2"}, "differ in editor_version"), ({"seed": 3}, "differ in seed")],
)
def test_a_gap_is_between_runs_of_one_editor(
    run: Checked, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    other = checked_run(made(tmp_path, fading, **changes), SUITE)
    with pytest.raises(BenchError, match=message):
        lifelong_gap(run, other, "generation")


def test_a_gap_needs_cases_in_common_and_one_baseline(run: Checked, tmp_path: Path) -> None:
    alone = checked_run(made(tmp_path, fading), SUITE)
    nothing = dataclasses.replace(alone, state=dataclasses.replace(alone.state, segments=()))
    with pytest.raises(BenchError, match="no case in common"):
        lifelong_gap(run, nothing, "generation")
    case, bases = next(iter(alone.baseline.probes.items()))
    other = alone.baseline.with_probes(case, bases[::-1])
    with pytest.raises(BenchError, match="different baselines"):
        lifelong_gap(run, dataclasses.replace(alone, baseline=other), "generation")


def test_interference(tmp_path: Path) -> None:
    options = {"length": 8, "orders": 2, "order": "blocked"}
    folder = made(
        tmp_path, lambda ask: 0.9 if ask.moment == "alone" else 0.4,
        protocol="cross-task", protocol_options=options,
    )  # fmt: skip
    run = checked_run(folder, SUITE)
    scores = sequence_scores(run, "generation")
    assert scores is not None and (scores.sequences, scores.orders) == (5, 2)
    assert set(scores.interference) == {"all", "vqa", "caption"}
    for task in ("all", "vqa", "caption"):

        def own(ask: Asked, task: str = task) -> bool:
            return task in ("all", CASES[ask.case].task)

        for key in ("reliability/main", "generality", "mean"):
            expected = mean(rows_at(run, "alone", own), key) - mean(rows_at(run, "end", own), key)
            cell = scores.interference[task][key]
            assert cell.value == pytest.approx(100 * expected)
            assert cell.low < cell.value < cell.high
    found = scored(folder, SUITE)
    cells = found.family("generation").by_task
    for task in ("vqa", "caption"):
        rows = rows_at(run, "end", lambda ask, t=task: CASES[ask.case].task == t)  # type: ignore[misc]
        assert cells[task]["mean"].value == pytest.approx(100 * mean(rows, "mean"))
        assert cells[task]["mean"].edits == len(rows) == 40
    # each case alone is in force with its own task only
    for unit in run.schedule:
        if unit.id.count("/") == 2:
            tasks = {CASES[step.request.id].task for step in unit.steps if isinstance(step, Apply)}
            assert tasks == {unit.id.rpartition("/")[2]}
    text = json.loads(found.text())
    assert text["sequences"]["generation"]["interference"]["all"]["mean"]["value"] is not None
    assert json.loads(json.dumps(scores.as_dict())) == text["sequences"]["generation"]
