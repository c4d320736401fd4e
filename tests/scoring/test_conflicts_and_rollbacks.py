"""What remains of an earlier edit and of an undone one, against counting by hand."""

from __future__ import annotations

import dataclasses
import random
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmedit_bench.cases import CHANGE_KINDS
from mmedit_bench.protocols.steps import Apply
from mmedit_bench.runs.folder import RunFolder, read_run
from mmedit_bench.runs.records import Asked, lines_of
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.conflicts import conflict_scores
from mmedit_bench.scoring.intervals import resample_counts
from mmedit_bench.scoring.normalize import same_answer
from mmedit_bench.scoring.rollbacks import NEVER_MADE, UNEDITED, rollback_scores
from mmedit_bench.scoring.score import checked_run
from mmedit_bench.scoring.scores import TEXT_ALONE
from mmedit_bench.scoring.tails import left_out
from tests.leaderboard.fake import FakeEditor, FakeSuite, fake_run

SUITE = FakeSuite(count=30)
CASES = {case.id: case for case in SUITE.cases("evaluation")}


def made(out: Path, say: Any, **changes: Any) -> Checked:
    """A run whose answer to a probe is what `say` gives for its ask, probe and a random number."""
    folder = fake_run(out, SUITE, FakeEditor("ft"), **changes)
    state = read_run(folder)
    records: list[Any] = []
    for record in state.records:
        if isinstance(record, Asked):
            rng = random.Random(f"{record.unit} {record.case} {record.moment}")
            probes = tuple(
                dataclasses.replace(own, reading=say(record, probe, own.reading, rng.random()))
                for probe, own in zip(CASES[record.case].probes, record.probes, strict=True)
            )
            record = dataclasses.replace(record, probes=probes)
        records.append(record)
    RunFolder(folder).predictions.write_bytes(lines_of(records, state.manifest.spec.evidence))
    return checked_run(folder, SUITE)


def answering(reading: Any, answer: str) -> Any:
    return dataclasses.replace(reading, answer=answer)


def test_of_two_edits(tmp_path: Path) -> None:
    earlier: dict[tuple[str, str], str] = {}

    def say(ask: Asked, probe: Any, reading: Any, chance: float) -> Any:
        if ask.moment == "without" or chance < 0.5:
            return answering(reading, probe.reference)
        return answering(reading, earlier.get((ask.unit, ask.case), "") if chance < 0.7 else "neither")

    options = {"protocol": "conflict", "protocol_options": {"between": 2}}
    plain = made(tmp_path / "plain", say, **options)
    for unit in plain.schedule:
        for step in unit.steps:
            if isinstance(step, Apply) and step.request.id.endswith("/earlier"):
                earlier[unit.id, step.request.id.removesuffix("/earlier")] = step.request.target
    run = made(tmp_path / "run", say, **options)
    found = conflict_scores(run, "generation")
    assert found is not None
    rows: dict[str, list[float]] = defaultdict(list)
    reliable = {"end": [], "without": []}  # type: ignore[var-annotated]
    for ask in run.state.asks:
        values: dict[str, list[float]] = defaultdict(list)
        for probe, own in zip(CASES[ask.case].probes, ask.probes, strict=True):
            if probe.kind == "reliability":
                reliable[ask.moment].append(float(same_answer(own.reading.answer, probe.reference)))
            if ask.moment == "end" and probe.kind in CHANGE_KINDS:
                said = float(same_answer(own.reading.answer, earlier[ask.unit, ask.case]))
                values[f"{probe.kind}/{probe.stratum}"].append(said)
        if values:
            rows["all"].append(statistics.fmean(value for own in values.values() for value in own))
            for key, one in values.items():
                rows[key].append(statistics.fmean(one))
    assert found.earlier.keys() == rows.keys()
    for key, values_ in rows.items():
        assert found.earlier[key].value == pytest.approx(100 * statistics.fmean(values_))
        assert found.earlier[key].edits == 30
    assert 5 < found.earlier["all"].value < 35
    low, high = bootstrap(rows["all"], [f"set-{number // 3}" for number in range(30)])
    assert (found.earlier["all"].low, found.earlier["all"].high) == (pytest.approx(low), pytest.approx(high))
    cost = 100 * (statistics.fmean(reliable["without"]) - statistics.fmean(reliable["end"]))
    assert found.cost["reliability/main"].value == pytest.approx(cost) and cost > 20
    assert found.last["reliability/main"].value == pytest.approx(100 - cost)


def bootstrap(values: list[float], clusters: list[str]) -> tuple[float, float]:
    """The percent interval, each resample written out."""
    names = sorted(set(clusters))
    own = {name: [v for v, c in zip(values, clusters, strict=True) if c == name] for name in names}
    means = []
    for counts in resample_counts(len(names)):
        drawn = [v for name, times in zip(names, counts, strict=True) for v in own[name] * int(times)]
        means.append(100 * statistics.fmean(drawn))
    low, high = np.percentile(means, [left_out(len(names)), 100 - left_out(len(names))])
    return float(low), float(high)


@pytest.mark.parametrize("length", [1, 5])
def test_of_what_was_undone(tmp_path: Path, length: int) -> None:
    def say(ask: Asked, probe: Any, reading: Any, chance: float) -> Any:
        answer = f"as {probe.id}" if length > 1 or ask.moment == "end" else reading.answer
        return answering(reading, "something else" if ask.moment == "undone" and chance < 0.3 else answer)

    options = {"protocol": "rollback", "protocol_options": {"length": length}}
    run = made(tmp_path, say, **options)
    found = rollback_scores(run, "generation")
    assert found is not None
    assert found.against == (UNEDITED if length == 1 else NEVER_MADE)
    base = {
        probe.id: reading.reading.answer
        for case, bases in run.baseline.probes.items()
        for probe, reading in zip(CASES[case].probes, bases, strict=True)
    }
    said: dict[tuple[str, str], list[str]] = {}
    for ask in run.state.asks:
        said[ask.unit.removesuffix("/without"), ask.case + ask.moment] = [
            p.reading.answer for p in ask.probes
        ]
    order = {unit.id: [s.request.id for s in unit.steps if isinstance(s, Apply)] for unit in run.schedule}
    parts: dict[bool, list[float]] = {True: [], False: []}
    whole: dict[str, bool] = {}
    for ask in run.state.asks:
        if ask.moment != "undone":
            continue
        mine = said[ask.unit, ask.case + "undone"]
        ids = [probe.id for probe in CASES[ask.case].probes]
        theirs = [base[id] for id in ids] if length == 1 else said[ask.unit, ask.case + "without"]
        same = [same_answer(one, other) for one, other in zip(mine, theirs, strict=True)]
        gone = order[ask.unit][(length + 1) // 2 - 1] == ask.case
        parts[gone].append(statistics.fmean(map(float, same)))
        whole[ask.unit] = whole.get(ask.unit, True) and mine == theirs
    assert found.undone["all"].value == pytest.approx(100 * statistics.fmean(parts[True]))
    assert 50 < found.undone["all"].value < 90
    assert found.undone["all"].edits == 30 // length
    if length > 1:
        assert found.others["all"].value == pytest.approx(100 * statistics.fmean(parts[False]))
        assert found.others["all"].edits == 24
    assert (found.identical, found.units) == (sum(whole.values()), len(whole))


def test_a_route_leaves_nothing_to_agree_with(tmp_path: Path) -> None:
    def say(ask: Asked, probe: Any, reading: Any, chance: float) -> Any:
        if ask.moment == "undone" and probe.kind == "reliability":
            return dataclasses.replace(reading, argmax=None, logprobs=None)
        return reading

    run = made(tmp_path, say, protocol="rollback", protocol_options={})
    found = rollback_scores(run, "teacher_forced_exact")
    assert found is not None
    assert (found.undone["reliability/main"].value, found.undone["reliability/main"].reason) == (
        None,
        TEXT_ALONE,
    )
    assert found.undone["all"].reason == TEXT_ALONE  # one column for all, so one such probe empties it
    assert found.undone["text_locality/main"].value == 100
    assert found.identical == 0


def test_other_runs_have_neither(tmp_path: Path) -> None:
    run = checked_run(fake_run(tmp_path, SUITE, FakeEditor("ft")), SUITE)
    assert rollback_scores(run, "generation") is None and conflict_scores(run, "generation") is None
