"""What the predictions of an admitted run come to, edit by edit, without checking them once more.

`scoring.checking` compares every record with the schedule, as it must with what a stranger brings.
Whoever admitted a run to the board has done so; here its lines are only read, and the measurement of
an answer that many editors give is taken once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaderboard.site.entries import objects_of
from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadRecord
from mmedit_bench.protocols.steps import END, schedule_of
from mmedit_bench.runs.evidence import ANSWER, DEFAULT, KINDS, Reading
from mmedit_bench.runs.folder import Manifest
from mmedit_bench.runs.spec import canonical
from mmedit_bench.scoring.checking import protocol_of
from mmedit_bench.scoring.columns import HEADLINE, in_order, key_of
from mmedit_bench.scoring.edit_values import EditValues
from mmedit_bench.scoring.families import Family, families
from mmedit_bench.scoring.metrics import Seen

MOST_KEPT = 400_000
"""Measurements that are remembered before all are forgotten: bounds the memory of a long build."""

_EVIDENCE = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class Before:
    """A baseline, as its file tells it: by case, each probe's reference tokens and unedited reading."""

    probes: Mapping[str, tuple[tuple[str, tuple[int, ...], Reading], ...]]

    @classmethod
    def read(cls, path: Path) -> Before:
        """Raises `BadRecord` naming the file."""
        found = {}
        try:
            for values in objects_of(path):
                if "probes" in values:
                    found[values["case"]] = tuple(
                        (one["id"], tuple(one["target"]), reading(one)) for one in values["probes"]
                    )
        except FileNotFoundError:
            raise BadRecord(f"{path} is not there; bring the board's baseline back") from None
        except (KeyError, TypeError) as error:
            raise BadRecord(f"{path} is no baseline: {type(error).__name__}: {error}") from None
        return cls(found)

    def digest(self, cases: Sequence[str]) -> str:
        """sha256 of the part of some cases; the evidence that only some runs record is left out."""
        found = hashlib.sha256()
        for case in cases:
            probes = [(*one[:2], one[2].as_dict(DEFAULT)) for one in self.probes.get(case, ())]
            found.update(canonical([case, probes]).encode())
        return found.hexdigest()


def reading(values: Mapping[str, Any]) -> Reading:
    """A reply, from a record that was checked when it was admitted."""
    given = {kind: _frozen(values[kind]) for kind in _EVIDENCE if kind in values}
    return Reading(**given)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs with the same cases and schedule have in common."""

    columns: tuple[str, ...]
    where: Mapping[str, NDArray[np.int64]]
    """By case, the column of each of its probes."""
    cluster: Mapping[str, str]
    """By unit, what is resampled."""
    against: str
    """sha256 of what the unedited backbone says to the probes, in the evidence that every run records."""


@dataclass(slots=True)
class Ruler:
    """Measures answers by every family that can be read, remembering what it has seen."""

    cases: Mapping[str, EditCase]
    before: Before
    families: tuple[Family, ...] = field(default_factory=lambda: tuple(families().values()))
    _kinds: tuple[str, ...] = field(init=False)
    """All evidence that some family reads: answers with the same measurements agree in it."""
    _known: dict[tuple[object, ...], tuple[float | None, ...]] = field(default_factory=dict)
    _plans: dict[tuple[object, ...], Plan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._kinds = tuple(dict.fromkeys([ANSWER, *(kind for own in self.families for kind in own.needs)]))

    def plan(self, manifest: Manifest) -> Plan:
        """What the cases and the schedule of a run decide; the same object for runs that share them.

        Raises `KeyError` for a case that the suite does not have.
        """
        spec, kept = manifest.spec, manifest.selection.cases
        key = (kept, spec.protocol, spec.protocol_version, canonical(spec.protocol_options), spec.seed)
        if key not in self._plans:
            cases = [self.cases[case] for case in kept]
            keys = {case.id: [key_of(probe.kind, probe.stratum) for probe in case.probes] for case in cases}
            columns = tuple(
                in_order({*HEADLINE, *(name for own in keys.values() for name in own)} - {"mean"})
            )
            place = {name: number for number, name in enumerate(columns)}
            where = {case: np.array([place[name] for name in own]) for case, own in keys.items()}
            schedule = schedule_of(protocol_of(spec), cases, spec.seed)
            cluster = {unit.id: unit.resampled for unit in schedule}
            self._plans[key] = Plan(columns, where, cluster, self.before.digest(kept))
        return self._plans[key]

    def measure(self, case: str, records: Sequence[Mapping[str, Any]]) -> list[tuple[float | None, ...]]:
        """For every probe of a case, its measurement by each family. Raises `BadRecord` for other probes."""
        probes, before = self.cases[case].probes, self.before.probes.get(case)
        if before is None or len(records) != len(probes):
            raise BadRecord(f"case {case} has other probes than the suite and the baseline say")
        found = []
        for probe, record, (name, target, unedited) in zip(probes, records, before, strict=True):
            if not probe.id == name == record["id"]:
                raise BadRecord(f"case {case}: expected probe {probe.id}, found {record['id']}")
            key = (probe.id, *(_frozen(record.get(kind)) for kind in self._kinds))
            values = self._known.get(key)
            if values is None:
                seen = Seen(probe.kind, probe.reference, target, reading(record), unedited)
                values = tuple(family.metric(probe.kind).of(seen) for family in self.families)
                if len(self._known) > MOST_KEPT:
                    self._known.clear()
                self._known[key] = values
            found.append(values)
        return found


@dataclass(frozen=True, slots=True)
class Answers:
    """One run's measurements at the end of its units, by family, and which of its edits failed."""

    values: Mapping[str, EditValues]
    failed: tuple[bool, ...]
    """By row: whether its edit could not be made, or not be asked about."""
    against: str
    """Digest of the readings before any edit."""


def answers_of(path: Path, manifest: Manifest, ruler: Ruler) -> Answers:
    """Measure predictions.jsonl.gz at `path`. Raises `BadRecord` naming the file.

    Row k is the k-th ask at the end of a unit, in the order of the schedule.
    """
    try:
        plan = ruler.plan(manifest)
    except KeyError as error:
        raise BadRecord(f"{path}: case {error} is not in the suite at hand") from None
    rows: list[tuple[str, str]] = []
    failed: list[bool] = []
    measured: list[list[tuple[float | None, ...]]] = []
    broken: set[tuple[str, str]] = set()
    try:
        for record in objects_of(path):
            if record["kind"] == "apply" and record["status"] == "failed":
                broken.add((record["unit"], record["request"]))
            elif record["kind"] == "ask" and record["moment"] == END:
                rows.append((record["unit"], record["case"]))
                failed.append(record["status"] == "failed" or rows[-1] in broken)
                measured.append(ruler.measure(record["case"], record["probes"]))
    except FileNotFoundError:
        raise BadRecord(f"{path} is not there; admit the run again") from None
    except (KeyError, TypeError) as error:
        raise BadRecord(f"{path} cannot be read: {type(error).__name__}: {error}") from None
    except BadRecord as error:
        raise BadRecord(f"{path}: {error}") from None
    recorded = manifest.spec.evidence
    found = {
        family.name: _values(number, rows, measured, plan, ruler)
        for number, family in enumerate(ruler.families)
        if all(kind in recorded for kind in family.needs)
    }
    return Answers(found, tuple(failed), plan.against)


def _values(
    number: int,
    rows: Sequence[tuple[str, str]],
    measured: Sequence[Sequence[tuple[float | None, ...]]],
    plan: Plan,
    ruler: Ruler,
) -> EditValues:
    shape = (len(rows), len(plan.columns))
    told = np.array([values[number] for own in measured for values in own], dtype=np.float64)  # None is NaN
    lengths = [len(own) for own in measured]
    columns = np.concatenate([plan.where[case] for _, case in rows]) if rows else np.zeros(0, dtype=np.int64)
    place = np.repeat(np.arange(len(rows)), lengths) * shape[1] + columns

    def gathered(weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        counted = np.bincount(place, weights, minlength=shape[0] * shape[1])
        return counted.reshape(shape).astype(np.float64)

    probes = gathered()
    unread = gathered(np.isnan(told).astype(np.float64))
    read = probes - unread
    sums = gathered(np.nan_to_num(told))
    cases = [ruler.cases[case] for _, case in rows]
    return EditValues(
        cases=tuple(case for _, case in rows),
        units=tuple(unit for unit, _ in rows),
        clusters=tuple(plan.cluster[unit] for unit, _ in rows),
        sorts=tuple(case.sort for case in cases),
        tasks=tuple(case.task for case in cases),
        columns=plan.columns,
        values=np.where(read > 0, sums / np.maximum(read, 1), np.nan),
        probes=probes.astype(np.int64),
        unread=unread.astype(np.int64),
    )
