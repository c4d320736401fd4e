"""Numbers of runs that edit one model many times: decay, area, and what order alone makes of them.

What is resampled is the sequence: its orders, and all that is asked along them, are one observation.
A number that is made of several moments (an area, a half-life, a difference) is formed inside every
resample. Formulas: docs/metrics.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmedit_bench.protocols.moments import UNDONE, WITHOUT, edits_after, edits_of_age
from mmedit_bench.protocols.steps import END, Apply, Unit
from mmedit_bench.scoring import intervals
from mmedit_bench.scoring.cells import cells_of
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.edit_values import EditValues, edit_values
from mmedit_bench.scoring.families import Family, family_named
from mmedit_bench.scoring.groups import GROUPS, MEANS, Floats, combined
from mmedit_bench.scoring.matched import interference, with_estimate
from mmedit_bench.scoring.scores import TOO_FEW, Cell, Cells
from mmedit_bench.scoring.sequence_scores import HalfLife, Point, SequenceScores
from mmedit_bench.scoring.tails import left_out

NO_AGE_0 = "age 0 was not asked"
NOTHING_HELD = "nothing was held at age 0"
ONE_POINT = "the curve has one point only; ask at 'checkpoints'"
ONE_ORDER = "one order only; there is no spread between orders"
"""Why there is no number."""


def sequence_scores(run: Checked, family: str) -> SequenceScores | None:
    """All that one run's sequences say in a family, by itself; None for a run without sequences.

    `matched.lifelong_gap` needs a second run. Raises `BenchError` for an unknown family.
    """
    if not has_sequences(run):
        return None
    known = family_named(family)
    end = edit_values(run, family)
    length = max(_edits(unit) for unit in run.schedule if _walks(unit))
    moments = dict.fromkeys(step.moment for unit in run.schedule for _, step in unit.asks)
    along = {done: name for name in moments if (done := edits_after(name)) is not None}
    by_age = {edits: name for name in moments if (edits := edits_of_age(name)) is not None}
    curve = {done: edit_values(run, family, along[done]) for done in sorted(along)} | {length: end}
    ages = {edits: edit_values(run, family, by_age[edits]) for edits in sorted(by_age)}
    heights, kept = _points(known, curve), _points(known, ages)
    walked: defaultdict[str, set[str]] = defaultdict(set)
    for unit, cluster in zip(end.units, end.clusters, strict=True):
        walked[cluster].add(unit)
    return SequenceScores(
        family=family,
        length=length,
        sequences=len(walked),
        orders=max(map(len, walked.values()), default=0),
        curve=heights,
        retention=kept,
        half_life=_half_lives(kept, ages),
        area=_areas(heights, curve),
        order_deviation=_order_deviation(run, known, end),
        interference=interference(run, known, end),
    )


def has_sequences(run: Checked) -> bool:
    """Whether a run's units walk sequences: clusters are named, and nothing is undone or left out."""
    moments = {step.moment for unit in run.schedule for _, step in unit.asks}
    return not moments & {UNDONE, WITHOUT} and any(
        unit.cluster is not None and _walks(unit) for unit in run.schedule
    )


# ---- along a sequence, and by age


@dataclass(frozen=True, slots=True)
class _Means:
    """Means of every column and group at one moment, over all clusters and over each resample."""

    points: Mapping[str, float]
    samples: Mapping[str, Floats]
    clusters: Mapping[str, int]
    """How many have the column."""


def _points(family: Family, values: Mapping[int, EditValues]) -> tuple[Point, ...]:
    return tuple(Point(at, cells_of(family, found)) for at, found in sorted(values.items()))


def _means(values: Mapping[int, EditValues]) -> dict[int, _Means]:
    """By place; resampled in step among the clusters of all places, without columns empty at one."""
    among = [cluster for found in values.values() for cluster in found.clusters]
    empty = frozenset(name for found in values.values() for name in found.empty)
    means = {}
    for at, found in values.items():
        table = found.without(empty)
        point, sample = intervals.resampled(table, found.clusters, among)
        points = {name: point[place : place + 1] for place, name in enumerate(found.columns)}
        samples = {name: sample[:, place] for place, name in enumerate(found.columns)}
        clusters = {
            name: len({c for c, own in zip(found.clusters, table[:, place], strict=True) if own == own})
            for place, name in enumerate(found.columns)
        }
        for name, group in MEANS.items():
            clusters[name] = min(clusters[part] for part in group.parts)
        means[at] = _Means(
            {name: float(own[0]) for name, own in combined(points, MEANS).items()},
            combined(samples, MEANS),
            clusters,
        )
    return means


def _linear(cells: Cells) -> Cells:
    """Columns and means: what is made of several moments is not told of other summaries."""
    return {key: cell for key, cell in cells.items() if key in MEANS or key not in GROUPS}


def _reasons(points: Sequence[Point]) -> dict[str, str]:
    """Why a column or group has no number at one of the places."""
    found: dict[str, str] = {}
    for point in points:
        for key, cell in point.cells.items():
            if cell.value is None and cell.reason:
                found.setdefault(key, cell.reason)
    return found


def _areas(heights: Sequence[Point], values: Mapping[int, EditValues]) -> dict[str, Cell]:
    """Trapezoids between the places of the curve, over their whole width."""
    places = [point.at for point in heights]
    cells, why = _linear(heights[-1].cells), _reasons(heights)
    if len(places) < 2:
        return {key: with_estimate(cell, None, ONE_POINT) for key, cell in cells.items()}
    means = _means(values)
    between = np.diff(places) / (places[-1] - places[0])
    weights = (np.append(between, 0) + np.append(0, between)) / 2
    areas = {}
    for key, cell in cells.items():
        points = np.array([means[at].points[key] for at in places])
        samples = np.stack([means[at].samples[key] for at in places])
        clusters = min(means[at].clusters[key] for at in places)
        area = intervals.spanned(float(weights @ points), weights @ samples, clusters)
        areas[key] = with_estimate(cell, area, why.get(key))
    return areas


def _half_lives(kept: Sequence[Point], values: Mapping[int, EditValues]) -> dict[str, HalfLife]:
    """The first age under half of age 0: of the means, and of each resample's."""
    if not kept:
        return {}
    ages = [point.at for point in kept]
    cells, reasons = _linear(kept[0].cells), _reasons(kept)
    if ages[0] != 0:
        return {key: HalfLife(None, None, None, None, NO_AGE_0) for key in cells}
    means = _means(values)
    found = {}
    for key in cells:
        points = np.array([means[at].points[key] for at in ages])
        if np.isnan(points).any() or points[0] == 0:
            why = NOTHING_HELD if points[0] == 0 else reasons.get(key)
            found[key] = HalfLife(None, None, None, None, why)
            continue
        samples = np.stack([means[at].samples[key] for at in ages])
        samples = samples[:, ~np.isnan(samples).any(axis=0)]
        first = _first_under_half(points[:, None], ages)[0]
        value = None if np.isinf(first) else int(first)
        reason = None if value is not None else f"not under half within {ages[-1]} edits"
        low = high = None
        behind = min(means[at].clusters[key] for at in ages)
        if behind < intervals.FEWEST:
            reason = reason or TOO_FEW
        elif samples.size:
            out = left_out(behind)
            bounds = np.percentile(_first_under_half(samples, ages), [out, 100 - out], method="inverted_cdf")
            low, high = (None if np.isinf(bound) else int(bound) for bound in bounds)
        found[key] = HalfLife(value, low, high, ages[-1], reason)
    return found


def _first_under_half(heights: Floats, ages: Sequence[int]) -> Floats:
    """By column of [ages, columns], the first age under half of the first row; infinite where none is."""
    under = heights < heights[0] / 2
    firsts: Floats = np.where(under.any(axis=0), np.asarray(ages, float)[under.argmax(axis=0)], np.inf)
    return firsts


# ---- what order costs


def _order_deviation(run: Checked, family: Family, end: EditValues) -> dict[str, Cell]:
    """Root of the mean over sequences of the variance (divisor orders - 1) of a walk's mean scores."""
    cells = _linear(cells_of(family, end))
    planned = {unit.id: sum(step.moment == END for _, step in unit.asks) for unit in run.schedule}
    asked = Counter(end.units)
    table = end.without(end.empty)
    walks: defaultdict[str, list[Floats]] = defaultdict(list)
    columns = [*end.columns, *MEANS]
    for unit in dict.fromkeys(end.units):
        if asked[unit] < planned[unit]:
            continue  # cut short: its mean is over fewer cases than that of the other orders
        rows = [row for row, own in enumerate(end.units) if own == unit]
        own = dict(zip(end.columns, _mean_present(table[rows])[:, None], strict=True))
        means = combined(own, MEANS)
        walks[end.clusters[rows[0]]].append(np.concatenate([means[name] for name in columns]))
    several = {name: np.stack(own) for name, own in walks.items() if len(own) > 1}
    if not several:
        return {key: with_estimate(cell, None, ONE_ORDER, unit="points") for key, cell in cells.items()}
    variances = np.stack([own.var(axis=0, ddof=1) for own in several.values()])
    points, samples = intervals.resampled(variances, list(several), list(several))
    clusters = (~np.isnan(variances)).sum(axis=0)
    return {
        key: with_estimate(
            cells[key],
            intervals.spanned(np.sqrt(points[place]), np.sqrt(samples[:, place]), int(clusters[place])),
            unit="points",
        )
        for place, key in enumerate(columns)
    }


def _mean_present(table: Floats) -> Floats:
    """Column means over the rows that have the column."""
    present = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(present, table, 0.0).sum(axis=0) / present.sum(axis=0)
    return means


def _walks(unit: Unit) -> bool:
    return any(step.moment == END for _, step in unit.asks)


def _edits(unit: Unit) -> int:
    return sum(isinstance(step, Apply) for step in unit.steps)
