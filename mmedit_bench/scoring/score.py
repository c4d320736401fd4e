"""From recorded predictions to scores. Imports no model and no editor.

Reference answers and the meaning of each probe come from the suite, by probe id; the record only
says what was answered. A run cannot choose its own questions: its cases must be the announced ones
and each must answer exactly its probes.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmedit_bench.cases import SORTS, EditCase, Probe
from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.folder import RunState, read_run
from mmedit_bench.runs.records import AskRecord, ProbeRecord, lines_of
from mmedit_bench.scoring import intervals, metrics
from mmedit_bench.scoring.columns import HEADLINE, in_order, key_of
from mmedit_bench.scoring.cost import read_cost
from mmedit_bench.scoring.families import FAMILIES, MAIN_GROUPS, MEAN_OF, Family, family_named
from mmedit_bench.scoring.normalize import NORMALIZER_VERSION
from mmedit_bench.scoring.scores import FILE_NAME, Cell, Counts, FamilyScores, RunScores

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

GROUPS = {**MAIN_GROUPS, "mean": MEAN_OF}


def score_run(folder: Path, suite: Suite) -> RunScores:
    """Score a run, complete or not, and write its scores.json (whole or not at all).

    Raises `BadRecord` if the run was made with other data or does not fit the suite.
    """
    state = read_run(folder)
    scores = scores_of(state, suite)
    beside = folder / f".{FILE_NAME}.new"
    beside.write_text(scores.text(), encoding="utf-8")
    beside.replace(folder / FILE_NAME)
    return replace(scores, cost=read_cost(folder, {ask.unit for ask in state.asks}))


def load_scores(folder: Path) -> RunScores:
    """The scores that `score_run` wrote. Raises `BadRecord` if predictions have changed since."""
    state = read_run(folder)
    scores = RunScores.read(folder / FILE_NAME)
    if (scores.spec, scores.predictions) != (state.manifest.spec, _digest(state.asks)):
        raise BadRecord(f"{folder / FILE_NAME} is older than the predictions beside it; score the run again")
    return replace(scores, cost=read_cost(folder, {ask.unit for ask in state.asks}))


def scores_of(state: RunState, suite: Suite) -> RunScores:
    """The scores of what a run has recorded so far, without its cost. Raises as `score_run`."""
    spec, selection = state.manifest.spec, state.manifest.selection
    judged, columns = _read(state, suite)
    return RunScores(
        spec=spec,
        counts=Counts(
            selection.considered, selection.already_right, selection.kept, len(state.asks), state.failed
        ),
        complete=state.complete,
        control=state.manifest.control,
        normalizer=NORMALIZER_VERSION,
        bootstrap={
            "method": "percentile, clustered by edit",
            "level": intervals.LEVEL,
            "resamples": intervals.RESAMPLES,
            "seed": intervals.SEED,
        },
        predictions=_digest(state.asks),
        families={name: _family_scores(family, judged, columns) for name, family in FAMILIES.items()},
    )


class EditValues(NamedTuple):
    """A run's measurements by edit: what its scores are means of."""

    cases: tuple[str, ...]
    units: tuple[str, ...]
    """The cluster of each edit."""
    columns: tuple[str, ...]
    values: intervals.Floats
    """[edits, columns] in [0, 1]; NaN where an edit has no such probe."""


def edit_values(state: RunState, suite: Suite, family: str) -> EditValues:
    """One family's measurements of a run, edit by edit. Raises as `score_run`."""
    judged, columns = _read(state, suite)
    values, _ = _values(family_named(family), judged, columns)
    return EditValues(
        tuple(one.case for one in judged), tuple(one.unit for one in judged), tuple(columns), values
    )


def _read(state: RunState, suite: Suite) -> tuple[list[_Judged], list[str]]:
    """A run joined with its suite, and the columns that its cases have."""
    spec = state.manifest.spec
    if (suite.name, suite.digest) != (spec.suite, spec.suite_digest):
        raise BadRecord(
            f"run {spec.folder_name} was made with {spec.suite} {spec.suite_digest[:12]}, "
            f"but the data at hand is {suite.name} {suite.digest[:12]}; install the run's data or run again"
        )
    known = {case.id: case for case in suite.cases(spec.split)}
    planned = set(state.manifest.selection.cases)
    if strangers := sorted(planned - known.keys()):
        raise BadRecord(
            f"run {spec.folder_name}: case {strangers[0]} is not in split {spec.split} of {suite.name}"
        )
    judged = [_judged(ask, known, planned) for ask in state.asks]
    return judged, in_order({*HEADLINE, *_columns(known[case] for case in planned)} - {"mean"})


def verdict(metric: str, record: ProbeRecord, reference: str) -> float:
    """The measurement called `metric` of one recorded probe, in [0, 1]."""
    match metric:
        case "generation_exact":
            return metrics.generation_exact(record.answer, reference)
        case "generation_same":
            return metrics.generation_same(record.answer, record.before.answer)
        case "teacher_forced_token" | "teacher_forced_exact":
            forced = (
                metrics.teacher_forced_token if metric.endswith("token") else metrics.teacher_forced_exact
            )
            return forced(record.argmax, record.target)
        case "agreement_top1" | "agreement_exact":
            agreement = metrics.agreement_top1 if metric.endswith("top1") else metrics.agreement_exact
            return agreement(record.argmax, record.before.argmax)
    raise ValueError(f"no measurement is called {metric}")


class _Judged(NamedTuple):
    """One ask joined with its case."""

    unit: str
    case: str
    sort: str
    probes: tuple[tuple[Probe, ProbeRecord], ...]


def _judged(ask: AskRecord, known: Mapping[str, EditCase], planned: set[str]) -> _Judged:
    where = f"predictions.jsonl, unit {ask.unit}, case {ask.case}"
    if ask.case not in planned:
        raise BadRecord(f"{where}: the manifest does not announce this case")
    case = known[ask.case]
    records = {record.id: record for record in ask.probes}
    if unknown := sorted(records.keys() - {probe.id for probe in case.probes}):
        raise BadRecord(f"{where}: the suite knows no probe {unknown[0]}")
    if missing := [probe.id for probe in case.probes if probe.id not in records]:
        raise BadRecord(f"{where}: probe {missing[0]} has no answer")
    return _Judged(ask.unit, case.id, case.sort, tuple((probe, records[probe.id]) for probe in case.probes))


def _columns(cases: Iterable[EditCase]) -> set[str]:
    return {key_of(probe.kind, probe.stratum) for case in cases for probe in case.probes}


def _family_scores(family: Family, judged: Sequence[_Judged], columns: Sequence[str]) -> FamilyScores:
    by_sort = {sort: _cells(family, [one for one in judged if one.sort == sort], columns) for sort in SORTS}
    return FamilyScores(family.name, _cells(family, judged, columns), by_sort)


def _values(
    family: Family, judged: Sequence[_Judged], columns: Sequence[str]
) -> tuple[intervals.Floats, dict[str, int]]:
    """Measurements [edits, columns], and the number of probes behind each column."""
    values = np.full((len(judged), len(columns)), np.nan)
    counts: dict[str, int] = dict.fromkeys(columns, 0)
    for row, one in enumerate(judged):
        found: dict[str, list[float]] = defaultdict(list)
        for probe, record in one.probes:
            found[key_of(probe.kind, probe.stratum)].append(
                verdict(family.label(probe.kind), record, probe.reference)
            )
        for place, key in enumerate(columns):
            if found[key]:
                values[row, place] = sum(found[key]) / len(found[key])
                counts[key] += len(found[key])
    return values, counts


def _cells(family: Family, judged: Sequence[_Judged], columns: Sequence[str]) -> dict[str, Cell]:
    values, counts = _values(family, judged, columns)
    edits = dict(zip(columns, (~np.isnan(values)).sum(axis=0).tolist(), strict=True))
    labels = {key: family.label(key.partition("/")[0]) for key in columns}
    for name, parts in GROUPS.items():
        counts[name] = sum(counts[part] for part in parts)
        edits[name] = min(edits[part] for part in parts)
        labels[name] = " + ".join(dict.fromkeys(labels[part] for part in parts))
    units = [one.unit for one in judged]
    found_values = intervals.estimates(values, units, columns, GROUPS)
    cells: dict[str, Cell] = {}
    for key, estimate in found_values.items():
        if estimate is None:
            cells[key] = Cell(None, None, None, counts[key], edits[key], labels[key])
        else:
            low, high = 100 * estimate.low, 100 * estimate.high
            cells[key] = Cell(100 * estimate.value, low, high, counts[key], edits[key], labels[key])
    return cells


def _digest(asks: Iterable[AskRecord]) -> str:
    return hashlib.sha256(lines_of(asks)).hexdigest()
