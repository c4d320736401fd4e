"""One family's measurements of a run, edit by edit: what every score is a mean of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.steps import END
from mmedit_bench.runs.records import Asked
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.columns import HEADLINE, in_order, key_of
from mmedit_bench.scoring.families import Family, family_named
from mmedit_bench.scoring.groups import Floats, Group, groups_of
from mmedit_bench.scoring.metrics import Seen
from mmedit_bench.scoring.sections import not_recorded


@dataclass(frozen=True, slots=True)
class EditValues:
    """One family's measurements at one moment, by edit: what scores are means of.

    Arrays are [edits, columns]: an edit asked about in two units is two rows.
    """

    cases: tuple[str, ...]
    units: tuple[str, ...]
    clusters: tuple[str, ...]
    """What intervals resample and permutations flip, for each edit: the cluster of its unit."""
    sorts: tuple[str, ...]
    tasks: tuple[str, ...]
    columns: tuple[str, ...]
    values: Floats
    """Mean over the probes of that column, in [0, 1]; NaN where an edit has none or none was read."""
    probes: NDArray[np.int64]
    """Probes asked."""
    unread: NDArray[np.int64]
    """Those among them that gave nothing to measure."""

    @property
    def empty(self) -> frozenset[str]:
        """Columns of which some probe was not read."""
        lacking = self.unread.sum(axis=0) > 0
        return frozenset(name for name, lacks in zip(self.columns, lacking, strict=True) if lacks)

    @property
    def groups(self) -> dict[str, Group]:
        """The summaries, of what these edits were asked."""
        there = self.probes.sum(axis=0) > 0
        return groups_of([name for name, asked in zip(self.columns, there, strict=True) if asked])

    def where(self, wanted: Callable[[str], bool]) -> EditValues:
        """Those of the sorts wanted."""
        return self.take([row for row, sort in enumerate(self.sorts) if wanted(sort)])

    def of_task(self, task: str) -> EditValues:
        """Those of a task."""
        return self.take([row for row, own in enumerate(self.tasks) if own == task])

    def take(self, rows: Sequence[int]) -> EditValues:
        """Some edits, in the order of `rows`."""
        rows = list(rows)
        return EditValues(
            tuple(self.cases[row] for row in rows), tuple(self.units[row] for row in rows),
            tuple(self.clusters[row] for row in rows), tuple(self.sorts[row] for row in rows),
            tuple(self.tasks[row] for row in rows), self.columns,
            self.values[rows], self.probes[rows], self.unread[rows],
        )  # fmt: skip

    def only(self, columns: Sequence[str]) -> EditValues:
        """Some columns, in the order given."""
        places = [self.columns.index(name) for name in columns]
        return replace(
            self, columns=tuple(columns),
            values=self.values[:, places], probes=self.probes[:, places], unread=self.unread[:, places],
        )  # fmt: skip

    def without(self, columns: frozenset[str]) -> Floats:
        """The values, with NaN throughout these columns."""
        values = self.values.copy()
        values[:, [name in columns for name in self.columns]] = np.nan
        return values


def edit_values(run: Checked, family: str, moment: str = END) -> EditValues:
    """One family's measurements of a run, edit by edit, in the schedule's order.

    Raises `BenchError` for an unknown family, and for one whose evidence the run did not record.
    """
    known, spec = family_named(family), run.state.manifest.spec
    if missing := [kind for kind in known.needs if kind not in spec.evidence]:
        raise BenchError(f"run {spec.folder_name} has no numbers of {family}: {not_recorded(missing)}")
    return values_of(run, known, joined(run, moment))


class Joined(NamedTuple):
    """One ask with its case and the case's place in the baseline."""

    ask: Asked
    case: EditCase


def joined(run: Checked, moment: str) -> list[Joined]:
    """What was asked at a moment, in the schedule's order."""
    known = {case.id: case for case in run.selection.cases}
    return [Joined(ask, known[ask.case]) for ask in run.state.asks if ask.moment == moment]


def _columns(run: Checked) -> tuple[str, ...]:
    own = {key_of(probe.kind, probe.stratum) for case in run.selection.cases for probe in case.probes}
    return tuple(in_order({*HEADLINE, *own} - {"mean"}))


def values_of(run: Checked, family: Family, asked: Sequence[Joined]) -> EditValues:
    """One family's measurements of what was asked."""
    columns = _columns(run)
    cluster = {unit.id: unit.resampled for unit in run.schedule}
    place = {key: number for number, key in enumerate(columns)}
    shape = (len(asked), len(columns))
    values = np.full(shape, np.nan)
    probes, unread = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, (ask, case) in enumerate(asked):
        found: dict[int, list[float]] = defaultdict(list)
        before = run.baseline.probes[case.id]
        for probe, record, base in zip(case.probes, ask.probes, before, strict=True):
            column = place[key_of(probe.kind, probe.stratum)]
            seen = Seen(probe.kind, probe.reference, base.target, record.reading, base.reading)
            value = family.metric(probe.kind).of(seen)
            probes[row, column] += 1
            if value is None:
                unread[row, column] += 1
            else:
                found[column].append(value)
        for column, own in found.items():
            values[row, column] = sum(own) / len(own)
    return EditValues(
        cases=tuple(case.id for _, case in asked),
        units=tuple(ask.unit for ask, _ in asked),
        clusters=tuple(cluster[ask.unit] for ask, _ in asked),
        sorts=tuple(case.sort for _, case in asked),
        tasks=tuple(case.task for _, case in asked),
        columns=columns,
        values=values,
        probes=probes,
        unread=unread,
    )


def tasks_of(run: Checked) -> tuple[str, ...]:
    """The tasks of a run's cases, in the order in which they come."""
    return tuple(dict.fromkeys(case.task for case in run.selection.cases))
