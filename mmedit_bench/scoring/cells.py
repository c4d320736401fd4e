"""From measurements, edit by edit, to the numbers of a table."""

from __future__ import annotations

from mmedit_bench.scoring import intervals
from mmedit_bench.scoring.edit_values import EditValues
from mmedit_bench.scoring.families import Family
from mmedit_bench.scoring.groups import GROUPS
from mmedit_bench.scoring.scores import NOT_WHOLE, NOTHING_ASKED, TEXT_ALONE, TOO_FEW, Cell


def label_of(family: Family, column: str) -> str:
    """What a column, or a group of columns, measures."""
    if column in GROUPS:
        own = " + ".join(dict.fromkeys(label_of(family, part) for part in GROUPS[column].parts))
        return f"harmonic mean: {own}" if GROUPS[column].harmonic else own
    return family.label(column.partition("/")[0])


def cells_of(family: Family, found: EditValues) -> dict[str, Cell]:
    """Mean and interval of every column and group, in percent."""
    columns, groups = found.columns, found.groups
    counts: dict[str, int] = dict(zip(columns, found.probes.sum(axis=0).tolist(), strict=True))
    edits: dict[str, int] = dict(zip(columns, (found.probes > 0).sum(axis=0).tolist(), strict=True))
    labels = {key: label_of(family, key) for key in (*columns, *groups)}
    reasons: dict[str, str | None] = {
        key: NOTHING_ASKED if not counts[key] else TEXT_ALONE if key in found.empty else None
        for key in columns
    }
    for name, group in groups.items():
        own = [reasons.get(part, NOTHING_ASKED) for part in group.parts]
        counts[name] = sum(counts.get(part, 0) for part in group.parts)
        edits[name] = min(edits.get(part, 0) for part in group.parts)
        reasons[name] = next((why for why in own if why), None)
        if reasons[name] in (NOTHING_ASKED, NOT_WHOLE) and counts[name]:
            reasons[name] = NOT_WHOLE
    estimates = intervals.estimates(found.without(found.empty), found.clusters, columns, groups)
    return {
        key: _cell(estimate, reasons[key], counts[key], edits[key], labels[key])
        for key, estimate in estimates.items()
    }


def _cell(estimate: intervals.Estimate | None, reason: str | None, n: int, edits: int, label: str) -> Cell:
    if estimate is None:
        return Cell(None, None, None, n, edits, label, reason)
    percent = estimate.times(100)
    few = TOO_FEW if percent.low is None else None
    return Cell(percent.value, percent.low, percent.high, n, edits, label, few)
