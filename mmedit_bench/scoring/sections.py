"""Behaviours and gaps of a run as sections of numbers, each with its interval.

A section holds columns of one measurement. What is measured differently, or in another unit, stands
in another section.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.cases import EditCase
from mmedit_bench.runs.baseline import Baseline
from mmedit_bench.runs.records import Asked
from mmedit_bench.scoring.behaviour import HALVES, MEAN_OF_K, UNIT, WORST_OF_K, Behaviour, Told, behaviours
from mmedit_bench.scoring.columns import in_order
from mmedit_bench.scoring.families import HEADLINE_FAMILY, Family
from mmedit_bench.scoring.groups import Floats, Group, leaves
from mmedit_bench.scoring.intervals import Estimate, estimates
from mmedit_bench.scoring.metrics import Seen
from mmedit_bench.scoring.scores import NONE_MEETS, NOTHING_MEETS, TEXT_ALONE, TOO_FEW, Cell, Cells, Section

Ask = tuple[Asked, EditCase]
Groups = Mapping[str, Group]


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers of one section, edit by edit: arrays are [edits, columns]."""

    columns: tuple[str, ...]
    values: Floats
    """NaN where an edit has none, or none was read."""
    probes: NDArray[np.int64]
    """Probes behind each."""
    unread: NDArray[np.int64]
    """Those among them that gave nothing to measure."""

    @property
    def empty(self) -> frozenset[str]:
        """Columns of which something was not read."""
        lacking = self.unread.sum(axis=0) > 0
        return frozenset(name for name, lacks in zip(self.columns, lacking, strict=True) if lacks)

    def shown(self) -> Floats:
        """The values, with NaN throughout the columns that are empty."""
        values = self.values.copy()
        values[:, [name in self.empty for name in self.columns]] = np.nan
        return values


def told_of(asks: Sequence[Ask], baseline: Baseline) -> list[list[Told]]:
    """The probes of each ask, with what the baseline knows of them."""
    found = []
    for ask, case in asks:
        rows = zip(case.probes, ask.probes, baseline.probes[case.id], strict=True)
        target = case.request.target
        found.append(
            [
                Told(p, target, Seen(p.kind, p.reference, base.target, record.reading, base.reading))
                for p, record, base in rows
            ]
        )
    return found


def table_of(behaviour: Behaviour, told: Sequence[Sequence[Told]]) -> Table:
    """A behaviour's numbers of every edit."""
    rows = [list(behaviour.read(own)) for own in told]
    columns = tuple(in_order(found.column for row in rows for found in row))
    place = {name: number for number, name in enumerate(columns)}
    shape = (len(rows), len(columns))
    sums, given = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    probes, unread = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for number, row in enumerate(rows):
        for found in row:
            at = number, place[found.column]
            probes[at] += found.probes
            if found.value is None:
                unread[at] += found.probes
            else:
                sums[at] += found.value
                given[at] += 1
    with np.errstate(invalid="ignore"):
        values: Floats = sums / np.where(given > 0, given, np.nan)
    return Table(columns, values, probes, unread)


@dataclass(frozen=True, slots=True)
class Part:
    """What a section is made of, ahead of its intervals."""

    name: str
    title: str
    label: Callable[[str], str]
    """What a column measures."""
    good: str
    unit: str
    table: Table
    groups: Groups


def part_of(behaviour: Behaviour, table: Table) -> Part:
    """A behaviour's section."""
    title, label = behaviour.title, behaviour.label
    return Part(
        behaviour.name,
        title,
        lambda column: label_in(label, column),
        behaviour.good,
        behaviour.unit,
        table,
        {},
    )


def gap_of(one: Family, other: Family, tables: Mapping[str, Table], groups: Groups) -> Part:
    """The section of one family's numbers minus another's, of the same columns of the same edits."""
    mine, theirs = _whole(tables[one.name]), _whole(tables[other.name])
    empty = mine.empty | theirs.empty
    values = mine.values - theirs.values
    values[:, [name in empty for name in mine.columns]] = np.nan
    table = Table(mine.columns, values, mine.probes, mine.unread + theirs.unread)

    def label(column: str) -> str:
        kinds = [leaf.partition("/")[0] for leaf in leaves(column, groups)]
        return " + ".join(dict.fromkeys(f"{one.label(kind)} - {other.label(kind)}" for kind in kinds))

    return Part(f"gap/{other.name}", f"{one.title} minus {other.title}", label, "", "points", table, groups)


def _whole(table: Table) -> Table:
    """Without the columns of half a question, which have a section of their own."""
    places = [place for place, name in enumerate(table.columns) if name not in HALVES]
    return Table(
        tuple(table.columns[place] for place in places),
        table.values[:, places], table.probes[:, places], table.unread[:, places],
    )  # fmt: skip


def parts_of(
    asks: Sequence[Ask],
    baseline: Baseline,
    families: Mapping[str, Family],
    tables: Mapping[str, Table],
    groups: Groups,
) -> tuple[list[Part], dict[str, str]]:
    """All sections that can be made of this evidence, and why the others cannot, by name.

    `families` and `tables` are those that the run has the evidence of.
    """
    told = told_of(asks, baseline)
    parts: list[Part] = []
    left_out: dict[str, str] = {}
    # a line that is repeated measures what it did, and nothing that it never had
    own = {name: family for name, family in families.items() if not family.legacy}
    for behaviour in behaviours(own):
        if missing := [kind for kind in behaviour.needs if kind not in baseline.kinds]:
            left_out[behaviour.name] = not_recorded(missing)
        elif (table := table_of(behaviour, told)).columns:
            parts.append(part_of(behaviour, table))
        else:
            left_out[behaviour.name] = NOTHING_MEETS
    if HEADLINE_FAMILY in families:
        headline = families[HEADLINE_FAMILY]
        parts += [
            gap_of(headline, family, tables, groups)
            for name, family in families.items()
            if name.startswith("teacher_forced") or family.legacy
        ]
    return parts, left_out


def not_recorded(kinds: Sequence[str]) -> str:
    """Why something is left out that needs this evidence."""
    again = " ".join(f"--evidence {kind}" for kind in kinds)
    return f"{', '.join(kinds)} was not recorded; run again with {again}"


def label_in(label: str, column: str) -> str:
    """The label of a behaviour's column: an edit's worst probe measures something else than its mean."""
    how = {MEAN_OF_K: "mean of k", WORST_OF_K: "worst of k", UNIT: "all of a unit"}
    return f"{how[column]}: {label}" if column in how else label


def sections_of(
    parts: Iterable[Part], clusters: Sequence[str], kinds: Sequence[str], sorts: Sequence[str]
) -> dict[str, Section]:
    """Sections with intervals, overall and for each of `sorts`; `kinds` has the sort of each edit."""
    known = list(parts)
    overall = _cells(known, clusters, [True] * len(kinds))
    by_sort = {sort: _cells(known, clusters, [kind == sort for kind in kinds]) for sort in sorts}
    return {
        part.name: Section(
            part.title,
            part.unit,
            part.good,
            overall[part.name],
            {sort: cells[part.name] for sort, cells in by_sort.items()},
        )
        for part in known
    }


def _cells(parts: Sequence[Part], clusters: Sequence[str], chosen: Sequence[bool]) -> dict[str, Cells]:
    """All parts resampled at once: one product of matrices instead of one for each."""
    rows = np.flatnonzero(chosen)
    names = [(part.name, column) for part in parts for column in part.table.columns]
    marks = [f"{part}\n{column}" for part, column in names]
    stacked = [part.table.shown()[rows] for part in parts]
    groups = {
        f"{part.name}\n{name}": replace(group, parts=tuple(f"{part.name}\n{own}" for own in group.parts))
        for part in parts
        for name, group in part.groups.items()
    }
    values = np.concatenate(stacked, axis=1) if stacked else np.zeros((len(rows), 0))
    found = estimates(values, [clusters[row] for row in rows.tolist()], marks, groups)
    return {
        part.name: {
            column: _cell(part, column, rows, found.get(f"{part.name}\n{column}"))
            for column in (*part.table.columns, *part.groups)
        }
        for part in parts
    }


def _cell(part: Part, column: str, rows: NDArray[np.intp], estimate: Estimate | None) -> Cell:
    table = part.table
    places = [table.columns.index(name) for name in leaves(column, part.groups) if name in table.columns]
    probes = table.probes[rows][:, places]
    n, edits = int(probes.sum()), int((probes > 0).sum(axis=0).min()) if places else 0
    label, unit = part.label(column), part.unit
    if estimate is None:
        unread = table.unread[rows][:, places].sum() > 0 or any(
            table.columns[place] in table.empty for place in places
        )
        return Cell(None, None, None, n, edits, label, TEXT_ALONE if n and unread else NONE_MEETS, unit)
    shown = estimate if unit == "nats" else estimate.times(100)
    few = TOO_FEW if shown.low is None else None
    return Cell(shown.value, shown.low, shown.high, n, edits, label, few, unit)
