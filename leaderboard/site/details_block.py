"""All runs of a block, edit by edit: rows are edits, the same for all that made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leaderboard.site.answers import Before
from leaderboard.site.details_asked import Data, Schedules, asked_of, columns_of, data_of
from leaderboard.site.details_reading import Answered, Asked, Key, Wanted, read_all
from leaderboard.site.entries import baseline_of
from leaderboard.site.model import Block, Row, Site
from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadRecord
from mmedit_bench.scoring.columns import column, in_order

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Edits:
    """What the runs of a block come to, edit by edit."""

    block: Block
    keys: tuple[str, ...]
    """Names the block's rows (its runs) in addresses and file names; letters, digits, - and ."""
    data: Data
    columns: tuple[str, ...]
    rows: tuple[Key, ...]
    """Unit and case of every edit that some run made, in the order of the schedule."""
    clusters: tuple[str, ...]
    """What is resampled, by edit."""
    groups: tuple[int, ...]
    """By run: runs of one group are measured against the same baseline."""
    schedules: tuple[int, ...]
    """By run: those with one number made the same edits in units of the same name."""
    asked: tuple[Asked, ...]
    """By group."""
    runs: tuple[Answered, ...]
    places: tuple[Ints, ...]
    """By run, where its records have each of `rows`; -1 where it did not make that edit."""

    def case(self, row: int) -> EditCase | None:
        """The case of an edit, if its suite is at hand."""
        return self.data.cases.get(self.rows[row][1])

    def wanted(self, row: int, group: int | None = None) -> tuple[Wanted, ...]:
        """The probes of an edit, in the order of the records, as a group's baseline has them."""
        case = self.rows[row][1]
        if group is not None:
            return self.asked[group].probes[case]
        return next(asked.probes[case] for asked in self.asked if case in asked.probes)


def edits_of(site: Site, block: Block) -> Edits:
    """Read a block's predictions. Raises `BadRecord` naming the file at fault."""
    first = block.rows[0].run
    data = data_of(first.spec, site.suites, blind=block.key.probes == "blind")
    columns = columns_of(data)
    baselines: dict[Path, int] = {}
    asked: list[Asked] = []
    groups: list[int] = []
    schedules = Schedules(data)
    walked: list[int] = []
    for row in block.rows:
        path = baseline_of(site.board, row.run.spec)
        if path not in baselines:
            baselines[path] = len(asked)
            try:
                asked.append(asked_of(data, Before.read(path), columns))
            except BadRecord as error:
                raise BadRecord(f"{path}: {error}") from None
        groups.append(baselines[path])
        walked.append(schedules.number(row.run.manifest))
    runs = read_all(
        [(row.run.predictions, group) for row, group in zip(block.rows, groups, strict=True)],
        asked,
        site.workers,
    )
    rows = _all_rows(runs)
    place = {key: number for number, key in enumerate(rows)}
    return Edits(
        block, keys_of(block.rows), data, columns, rows,
        tuple(schedules.clusters.get(unit, unit) for unit, _ in rows),
        tuple(groups), tuple(walked), tuple(asked), tuple(runs), tuple(_places(run, place) for run in runs),
    )  # fmt: skip


def keys_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Names of a block's runs in addresses: the entry's id, with the run's mark where it has several."""
    several = Counter(row.entry.id for row in rows)
    return tuple(
        row.entry.id if several[row.entry.id] == 1 else f"{row.entry.id}.{row.run.fingerprint[:12]}"
        for row in rows
    )


def _all_rows(runs: Sequence[Answered]) -> tuple[Key, ...]:
    """In the order of the run that made most edits; what only others made comes after."""
    longest = max(runs, key=lambda run: len(run.rows))
    return tuple(dict.fromkeys([*longest.rows, *(key for run in runs for key in run.rows)]))


def _places(run: Answered, place: dict[Key, int]) -> Ints:
    found = np.full(len(place), -1, np.int64)
    found[[place[key] for key in run.rows]] = np.arange(len(run.rows))
    return found


def shown_order(probes: Sequence[Wanted], columns: Sequence[str]) -> list[int]:
    """The probes of an edit as a table shows them; in the order of the records where kinds are secret."""
    names = in_order(columns)
    return sorted(
        range(len(probes)),
        key=lambda one: (names.index(columns[probes[one].column]) if probes[one].column >= 0 else 0, one),
    )


def heading(key: str) -> dict[str, str]:
    """A column as pages name it."""
    found = column(key)
    return {
        "key": key,
        "group": found.group,
        "title": found.title,
        "short": found.short,
        "about": found.about,
    }
