"""What measures say of an edited model, beside what they said of it before any edit.

A change is paired: each item (a document of a task) is compared with itself. Its interval resamples
items; where a run has at least `intervals.FEWEST` units (sequences), units as well, each crossed
with the other, since all units are measured on the same items (Owen, Annals of Applied Statistics 1,
2007). With fewer units it speaks of these sequences alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.records import NATS, Measured
from mmedit_bench.scoring.groups import Floats
from mmedit_bench.scoring.intervals import FEWEST, RESAMPLES, SEED, Estimate, resample_counts, spanned

START = "start"
"""The moment at which nothing is edited yet."""
COLLAPSE = 2.0
"""A perplexity beyond this many times the unedited model's is called a collapse."""
_MOST_NATS = 700.0
"""Beyond it an exponential is no number."""
_AT_ONCE = 2_000_000
"""Items drawn at a time, over resamples: it bounds the memory that a task of many documents takes."""


@dataclass(frozen=True, slots=True)
class MeasureCell:
    """One measured value at one moment, in the measure's own units, averaged over units and items.

    A perplexity is that of the mean log-likelihood. `start` and `delta` (value minus start) rest on
    the units that were also measured before any edit; None where there is none.
    """

    value: float
    start: float | None
    delta: float | None
    low: float | None
    high: float | None
    """95 % interval of `delta`; None where there are too few items and units."""
    items: int
    """Numbers behind the value in each unit; 1 for a measure that gives one number."""
    units: int
    collapsed: int | None
    """Units whose perplexity is more than `COLLAPSE` times what it was; None for what is no perplexity."""
    failed: int
    """Units in which some edits were left out, because the model could not be measured with them."""


MeasureCells = Mapping[str, Mapping[str, Mapping[str, MeasureCell]]]
"""By measure, moment and name of the value."""


def measure_scores(records: Iterable[Measured]) -> MeasureCells:
    """Values and changes of all measurements of a run, in the schedule's order.

    Raises `BadRecord` where two measurements of one value have different numbers of items.
    """
    kept = list(records)
    found: dict[str, dict[str, dict[str, MeasureCell]]] = {}
    for measure, moment in dict.fromkeys((record.measure, record.moment) for record in kept):
        now = {r.unit: r for r in kept if (r.measure, r.moment) == (measure, moment)}
        before = {r.unit: r for r in kept if (r.measure, r.moment) == (measure, START) and not r.edits}
        names = dict.fromkeys(name for record in now.values() for name in record.values)
        found.setdefault(measure, {})[moment] = {
            name.removesuffix(NATS): _cell(name, now, before) for name in names
        }
    return found


def _cell(name: str, now: Mapping[str, Measured], before: Mapping[str, Measured]) -> MeasureCell:
    units = sorted(unit for unit, record in now.items() if name in record.values)
    paired = [unit for unit in units if unit in before and name in before[unit].values]
    exponential = name.endswith(NATS)
    values = _table(name, units, now)
    start = change = None
    collapsed = None
    if paired:
        after, first = _table(name, paired, now), _table(name, paired, before)
        if after.shape != first.shape:
            raise _uneven(name)
        start = _read(first.mean(), exponential)
        change = paired_change(after, first, exponential=exponential)
        if exponential:
            rises = after.mean(axis=1) - first.mean(axis=1)
            collapsed = int((rises > math.log(COLLAPSE)).sum())
    return MeasureCell(
        value=_read(values.mean(), exponential),
        start=start,
        delta=None if change is None else change.value,
        low=None if change is None else change.low,
        high=None if change is None else change.high,
        items=values.shape[1],
        units=len(units),
        collapsed=collapsed,
        failed=sum(now[unit].status == "failed" for unit in units),
    )


def paired_change(after: Floats, before: Floats, *, exponential: bool) -> Estimate:
    """Change of the mean of [units, items], or of its exponential, with its 95 % interval.

    Both are resampled in step. Units are drawn where there are at least `FEWEST`, items likewise;
    without either there are no bounds. The percentiles are those of whichever is drawn and is fewer.
    """
    value = _read(after.mean(), exponential) - _read(before.mean(), exponential)
    units, items = after.shape
    if units < FEWEST and items < FEWEST:
        return Estimate(value, None, None)
    by_unit = resample_counts(units) if units >= FEWEST else np.ones((RESAMPLES, units))
    # another seed: as many units as items must not be drawn alike
    draw = np.random.default_rng(SEED + 1)
    step = max(1, _AT_ONCE // items)
    changes = []
    for begin in range(0, RESAMPLES, step):
        rows = by_unit[begin : begin + step]
        shape = (len(rows), items)
        by_item = (
            draw.multinomial(items, np.full(items, 1 / items), len(rows))
            if items >= FEWEST
            else np.ones(shape)
        )
        means = [((rows @ table) * by_item).sum(axis=1) / table.size for table in (after, before)]
        ends = [np.exp(np.minimum(own, _MOST_NATS)) if exponential else own for own in means]
        changes.append(ends[0] - ends[1])
    fewest = min(number for number in (units, items) if number >= FEWEST)
    found = spanned(value, np.concatenate(changes), fewest)
    assert found is not None  # the change is a number
    return found


def _table(name: str, units: Sequence[str], records: Mapping[str, Measured]) -> Floats:
    """Values [units, items]."""
    given = (records[unit].values[name] for unit in units)
    rows = [value if isinstance(value, tuple) else (value,) for value in given]
    if len({len(row) for row in rows}) > 1:
        raise _uneven(name)
    return np.array(rows, dtype=np.float64)


def _read(mean: float, exponential: bool) -> float:
    return math.exp(min(float(mean), _MOST_NATS)) if exponential else float(mean)


def _uneven(name: str) -> BadRecord:
    return BadRecord(
        f"predictions.jsonl: measured value {name} does not have the same items throughout; run again"
    )
