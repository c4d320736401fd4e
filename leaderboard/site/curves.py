"""Decay along a sequence of edits, as small drawings: coordinates only, the template draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmedit_bench.scoring.columns import column
from mmedit_bench.scoring.sequence_scores import Point

SHOWN = ("reliability/main", "generality", "locality")
WIDTH, HEIGHT = 250.0, 150.0
LEFT, TOP, RIGHT, BOTTOM = 34.0, 10.0, 12.0, 34.0
TICKS = (0, 50, 100)


@dataclass(frozen=True, slots=True)
class Dot:
    """One point, with its number in words."""

    x: float
    y: float
    at: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One column over edits made."""

    title: str
    about: str
    line: str
    """Path through the means."""
    band: str
    """Closed path around the intervals; empty where there are none."""
    dots: tuple[Dot, ...]
    across: tuple[tuple[int, float], ...]
    """Labels of the axis of edits, and their x."""
    up: tuple[tuple[int, float], ...]
    """Labels of the axis of percent, and their y."""
    label: str
    """Of the axis of edits."""


def curves_of(points: Sequence[Point], label: str) -> tuple[Curve, ...]:
    """A drawing for each of `SHOWN` that has at least two numbers along `points`."""
    found = []
    for key in SHOWN:
        given = [
            (point.at, cell) for point in points if (cell := point.cells.get(key)) and cell.value is not None
        ]
        if len(given) < 2:
            continue
        first, last = given[0][0], given[-1][0]

        def x(at: int, first: int = first, last: int = last) -> float:
            return round(LEFT + WIDTH * (at - first) / (last - first), 1)

        low = [(x(at), _y(cell.low)) for at, cell in given if cell.low is not None]
        high = [(x(at), _y(cell.high)) for at, cell in given if cell.high is not None]
        dots = tuple(
            Dot(x(at), _y(cell.value or 0.0), at, f"{at}: {_said(cell.value, cell.low, cell.high)}",
                _said(cell.value, cell.low, cell.high))
            for at, cell in given
        )  # fmt: skip
        item = column(key)
        found.append(
            Curve(
                title=item.title,
                about=item.about,
                line=_path([(dot.x, dot.y) for dot in dots]),
                band=f"{_path([*high, *reversed(low)])}Z" if len(low) == len(high) > 1 else "",
                dots=dots,
                across=_labels(dots),
                up=tuple((tick, _y(tick)) for tick in TICKS),
                label=label,
            )
        )
    return tuple(found)


def _labels(dots: Sequence[Dot]) -> tuple[tuple[int, float], ...]:
    """As many as stand side by side, the last always."""
    kept: list[Dot] = []
    for dot in reversed(dots):
        if not kept or kept[-1].x - dot.x >= 24:
            kept.append(dot)
    return tuple((dot.at, dot.x) for dot in reversed(kept))


def _y(percent: float) -> float:
    return round(TOP + HEIGHT * (1 - percent / 100), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _said(value: float | None, low: float | None, high: float | None) -> str:
    text = f"{value:.1f}"
    return text if low is None or high is None else f"{text} [{low:.1f}, {high:.1f}]"
