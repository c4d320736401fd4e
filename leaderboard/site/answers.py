"""What the predictions of an admitted run come to, edit by edit, without checking them once more.

`scoring.checking` compares every record with the schedule, as it must with what a stranger brings.
Whoever admitted a run to the board has done so; here its lines are only read, and the measurement of
an answer that many editors give is taken once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.site.entries import objects_of
from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadRecord
from mmedit_bench.protocols.steps import END, schedule_of
from mmedit_bench.runs.evidence import KINDS, Reading
from mmedit_bench.runs.folder import Manifest
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


def reading(values: Mapping[str, Any]) -> Reading:
    """A reply, from a record that was checked when it was admitted."""
    given = {kind: _frozen(values[kind]) for kind in _EVIDENCE if kind in values}
    return Reading(**given)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@dataclass(slots=True)
class Ruler:
    """Measures answers by every family that can be read, remembering what it has seen."""

    cases: Mapping[str, EditCase]
    before: Before
    families: tuple[Family, ...] = field(default_factory=lambda: tuple(families().values()))
    _known: dict[tuple[str, str, tuple[int, ...] | None], tuple[float | None, ...]] = field(
        default_factory=dict
    )

    def columns(self, cases: Sequence[str]) -> tuple[str, ...]:
        """The columns that the probes of these cases make."""
        own = {key_of(probe.kind, probe.stratum) for case in cases for probe in self.cases[case].probes}
        return tuple(in_order({*HEADLINE, *own} - {"mean"}))

    def measure(self, case: str, records: Sequence[Mapping[str, Any]]) -> list[tuple[float | None, ...]]:
        """For every probe of a case, its measurement by each family. Raises `BadRecord` for other probes."""
        probes, before = self.cases[case].probes, self.before.probes.get(case)
        if before is None or len(records) != len(probes):
            raise BadRecord(f"case {case} has other probes than the suite and the baseline say")
        found = []
        for probe, record, (name, target, unedited) in zip(probes, records, before, strict=True):
            argmax = record.get("argmax")
            key = (probe.id, record["answer"], None if argmax is None else tuple(argmax))
            values = self._known.get(key)
            if values is None:
                if not probe.id == name == record["id"]:
                    raise BadRecord(f"case {case}: expected probe {probe.id}, found {record['id']}")
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


def answers_of(path: Path, manifest: Manifest, ruler: Ruler) -> Answers:
    """Measure predictions.jsonl.gz at `path`. Raises `BadRecord` naming the file.

    Row k is the k-th ask at the end of a unit, in the order of the schedule.
    """
    kept = manifest.selection.cases
    try:
        columns = ruler.columns(kept)
    except KeyError as error:
        raise BadRecord(f"{path}: case {error} is not in the suite at hand") from None
    place = {key: number for number, key in enumerate(columns)}
    where = {
        case: [place[key_of(probe.kind, probe.stratum)] for probe in ruler.cases[case].probes]
        for case in kept
    }
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
    schedule = schedule_of(
        protocol_of(manifest.spec), [ruler.cases[case] for case in kept], manifest.spec.seed
    )
    cluster = {unit.id: unit.resampled for unit in schedule}
    recorded = manifest.spec.evidence
    found = {
        family.name: _values(number, rows, measured, columns, where, ruler, cluster)
        for number, family in enumerate(ruler.families)
        if all(kind in recorded for kind in family.needs)
    }
    return Answers(found, tuple(failed))


def _values(
    number: int,
    rows: Sequence[tuple[str, str]],
    measured: Sequence[Sequence[tuple[float | None, ...]]],
    columns: Sequence[str],
    where: Mapping[str, Sequence[int]],
    ruler: Ruler,
    cluster: Mapping[str, str],
) -> EditValues:
    shape = (len(rows), len(columns))
    sums = np.zeros(shape)
    probes, unread = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, ((_, case), own) in enumerate(zip(rows, measured, strict=True)):
        for column, values in zip(where[case], own, strict=True):
            value = values[number]
            probes[row, column] += 1
            if value is None:
                unread[row, column] += 1
            else:
                sums[row, column] += value
    read = probes - unread
    cases = [ruler.cases[case] for _, case in rows]
    return EditValues(
        cases=tuple(case for _, case in rows),
        units=tuple(unit for unit, _ in rows),
        clusters=tuple(cluster[unit] for unit, _ in rows),
        sorts=tuple(case.sort for case in cases),
        tasks=tuple(case.task for case in cases),
        columns=tuple(columns),
        values=np.where(read > 0, sums / np.maximum(read, 1), np.nan),
        probes=probes,
        unread=unread,
    )
