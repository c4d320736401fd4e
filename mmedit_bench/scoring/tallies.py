"""Measurements that are not the families' own, collected edit by edit and averaged as all others are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmedit_bench.scoring import intervals
from mmedit_bench.scoring.columns import in_order
from mmedit_bench.scoring.scores import NOTHING_ASKED, TEXT_ALONE, TOO_FEW, Cell

ALL = "all"
"""The column over all probes of an edit."""


class Tally:
    """Rows of measurements in [0, 1], one per edit asked about; None where nothing could be read."""

    def __init__(self) -> None:
        self._clusters: list[str] = []
        self._rows: list[dict[str, list[float | None]]] = []

    def add(self, cluster: str, found: Mapping[str, Sequence[float | None]]) -> None:
        """An edit's measurements by column; all of them together make the column "all"."""
        own = {key: list(values) for key, values in found.items() if values}
        self._clusters.append(cluster)
        self._rows.append(own | {ALL: [value for values in own.values() for value in values]})

    def cells(self, label: str) -> dict[str, Cell]:
        """Mean and interval by column, in percent.

        Each edit has one vote; a probe that could not be read empties its column.
        """
        columns = [*in_order({key for row in self._rows for key in row} - {ALL}), ALL]
        table = np.full((len(self._rows), len(columns)), np.nan)
        probes = dict.fromkeys(columns, 0)
        unread: set[str] = set()
        for number, row in enumerate(self._rows):
            for key, values in row.items():
                probes[key] += len(values)
                read = [value for value in values if value is not None]
                if len(read) < len(values):
                    unread.add(key)
                if read:
                    table[number, columns.index(key)] = sum(read) / len(read)
        table[:, [key in unread for key in columns]] = np.nan
        found = intervals.estimates(table, self._clusters, columns, {})
        cells = {}
        for key in columns:
            edits = sum(bool(row.get(key)) for row in self._rows)
            estimate = found[key]
            if estimate is None:
                why = TEXT_ALONE if key in unread else NOTHING_ASKED
                cells[key] = Cell(None, None, None, probes[key], edits, label, why)
                continue
            percent = estimate.times(100)
            few = TOO_FEW if percent.low is None else None
            cells[key] = Cell(percent.value, percent.low, percent.high, probes[key], edits, label, few)
        return cells
