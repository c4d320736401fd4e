"""The trade-off at a glance: generality against locality, and reliability beside it.

Coordinates only; the template draws them in `currentColor` and the page's palette.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaderboard.labels import Box, Label, place_labels
from mmedit_bench.rendering.table import RunRow
from mmedit_bench.scoring.scores import Cell

SIDE = 320.0
"""Length of the scatter's axes, in SVG units (px at full size)."""
LEFT, TOP, RIGHT, BOTTOM = 46.0, 26.0, 18.0, 44.0
MARGIN = 84.0
"""Room for labels to the right of the scatter, where good editors crowd."""
TICKS = (0, 25, 50, 75, 100)
WIDTH = 260.0
"""Length of the reliability panel's axis."""
ARM = 2.0
"""Half the thickness of what a label must not cover of an interval."""
STEP = 26.0
"""Height of a row of the reliability panel."""
CHARACTER = 6.6
"""Upper estimate of a character's width in a 12 px system font."""
LONGEST = 22


@dataclass(frozen=True, slots=True)
class Mark:
    """One editor. `cross` is (left, right, bottom, top) of its intervals, in SVG units."""

    name: str
    title: str
    tone: str
    hollow: bool
    x: float
    y: float
    cross: tuple[float, float, float, float]
    label: Label


@dataclass(frozen=True, slots=True)
class Bar:
    """One editor's reliability: point and interval on the x axis of its panel."""

    name: str
    title: str
    tone: str
    hollow: bool
    y: float
    x: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Panel:
    """An area with axes: `x`, `y` of its top left corner, and the whole drawing's size."""

    x: float
    y: float
    side_x: float
    side_y: float
    width: float
    height: float
    ticks: tuple[tuple[int, float], ...]
    """Tick labels and their x."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Both panels. Rows without a number are left out of them."""

    scatter: Panel
    rows: Panel
    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]


def plot_of(rows: Sequence[RunRow], tones: Sequence[str]) -> Plot | None:
    """The plot of a table's rows, each in its tone; None if there is nothing to draw."""
    pairs = list(zip(rows, tones, strict=True))
    marks, bars = _marks(pairs), _bars(pairs)
    if not marks and not bars:
        return None
    left = _gutter(pairs)
    height = STEP * max(len(bars), 1) + 8
    return Plot(_panel(LEFT, SIDE, SIDE, MARGIN), _panel(left, WIDTH, height, RIGHT), marks, bars)


def _panel(left: float, across: float, height: float, right: float) -> Panel:
    ticks = tuple((tick, left + across * tick / 100) for tick in TICKS)
    return Panel(left, TOP, across, height, left + across + right, TOP + height + BOTTOM, ticks)


def short(name: str) -> str:
    """A name that fits a label."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _gutter(pairs: Iterable[tuple[RunRow, str]]) -> float:
    return 14 + CHARACTER * max((len(short(row.name)) for row, _ in pairs), default=0)


def _marks(pairs: Iterable[tuple[RunRow, str]]) -> tuple[Mark, ...]:
    drawn = [
        (row, tone, across, up)
        for row, tone in pairs
        if (across := _bounds(row.cells.get("generality"))) and (up := _bounds(row.cells.get("locality")))
    ]
    points = [(_x(across[0]), _y(up[0])) for _, _, across, up in drawn]
    crosses = [(_x(across[1]), _x(across[2]), _y(up[1]), _y(up[2])) for _, _, across, up in drawn]
    arms: list[Box] = []
    for (x, y), (left, right, bottom, top) in zip(points, crosses, strict=True):
        arms += [Box(left, y - ARM, right, y + ARM), Box(x - ARM, top, x + ARM, bottom)]
    widths = [CHARACTER * len(short(row.name)) for row, *_ in drawn]
    labels = place_labels(points, widths, Box(LEFT, 0, LEFT + SIDE + MARGIN, TOP + SIDE), arms)
    return tuple(
        Mark(
            name=short(row.name),
            title=f"{row.name}: generality {_range(across)}, locality {_range(up)}",
            tone=tone,
            hollow=not row.scores.complete,
            x=x,
            y=y,
            cross=cross,
            label=label,
        )
        for (row, tone, across, up), (x, y), cross, label in zip(drawn, points, crosses, labels, strict=True)
    )


def _x(percent: float) -> float:
    return LEFT + SIDE * percent / 100


def _y(percent: float) -> float:
    return TOP + SIDE * (1 - percent / 100)


def _range(bounds: tuple[float, float, float]) -> str:
    value, low, high = bounds
    return f"{value:.1f}" if low == high == value else f"{value:.1f} ({low:.1f} to {high:.1f})"


def _bars(pairs: Sequence[tuple[RunRow, str]]) -> tuple[Bar, ...]:
    left = _gutter(pairs)
    bars: list[Bar] = []
    for row, tone in pairs:
        bounds = _bounds(row.cells.get("reliability/main"))
        if bounds is None:
            continue
        value, low, high = (left + WIDTH * part / 100 for part in bounds)
        bars.append(
            Bar(
                name=short(row.name),
                title=f"{row.name}: reliability {_range(bounds)}",
                tone=tone,
                hollow=not row.scores.complete,
                y=TOP + 4 + STEP * (len(bars) + 0.5),
                x=value,
                low=low,
                high=high,
            )
        )
    return tuple(bars)


def _bounds(cell: Cell | None) -> tuple[float, float, float] | None:
    if cell is None or cell.value is None:
        return None
    if cell.low is None or cell.high is None:
        return cell.value, cell.value, cell.value  # a point without arms
    return cell.value, cell.low, cell.high
