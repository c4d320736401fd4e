"""Direct labels for points of a scatter plot, placed so that they cover little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

HEIGHT = 14.0
"""Height of a label, in SVG units."""
POINT = 6.0
"""Half the side of the square a point is taken to fill."""


class Box(NamedTuple):
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    @property
    def area(self) -> float:
        """Width times height."""
        return (self.right - self.left) * (self.bottom - self.top)


class Label(NamedTuple):
    """Where a text starts (baseline), and the end of the line that leads to it from its point, if far."""

    x: float
    y: float
    leader: tuple[float, float] | None


def place_labels(
    points: Sequence[tuple[float, float]], widths: Sequence[float], frame: Box, avoid: Sequence[Box] = ()
) -> list[Label]:
    """One label for each point, texts `widths` wide, within `frame` if at all possible.

    Greedy, from top to bottom: of all places around its point a label takes the one that covers the
    least of labels already placed, of points, of `avoid` and of the outside, and among those the
    nearest.
    """
    squares = [*avoid, *(Box(x - POINT, y - POINT, x + POINT, y + POINT) for x, y in points)]
    taken: list[Box] = []
    labels: dict[int, Label] = {}
    for index in sorted(range(len(points)), key=lambda i: (points[i][1], points[i][0], i)):
        best = min(
            _places(points[index], widths[index]),
            key=lambda place: place[0] + 4 * _covered(place[1], taken, squares, frame),
        )
        nearness, box = best
        taken.append(box)
        leader = _nearest(box, points[index]) if nearness >= 2 * POINT else None
        labels[index] = Label(box.left, box.bottom - 3.5, leader)
    return [labels[index] for index in range(len(points))]


def _places(point: tuple[float, float], width: float) -> Iterator[tuple[float, Box]]:
    """Candidate boxes with their cost in distance."""
    x, y = point
    for ring in range(6):
        away = POINT + 2 + ring * HEIGHT
        sides = (
            (x + away, y - HEIGHT / 2),
            (x - away - width, y - HEIGHT / 2),
            (x - width / 2, y - away - HEIGHT),
            (x - width / 2, y + away),
            (x + away, y - away - HEIGHT / 2),
            (x + away, y + away - HEIGHT / 2),
            (x - away - width, y - away - HEIGHT / 2),
            (x - away - width, y + away - HEIGHT / 2),
        )
        for preference, (left, top) in enumerate(sides):
            yield ring * HEIGHT + preference / 8, Box(left, top, left + width, top + HEIGHT)


def _covered(box: Box, taken: Sequence[Box], squares: Sequence[Box], frame: Box) -> float:
    """What a place covers; text over text and text cut off at the frame weigh more than any distance."""
    unreadable = sum(box.overlap(other) for other in taken) + box.area - box.overlap(frame)
    return 100 * unreadable + sum(box.overlap(square) for square in squares)


def _nearest(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    x = min(max(point[0], box.left), box.right)
    y = min(max(point[1], box.top + 2), box.bottom - 2)
    return x, y
