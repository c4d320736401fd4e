from __future__ import annotations

from leaderboard.site.curves import HEIGHT, LEFT, TOP, WIDTH, curves_of
from mmedit_bench.scoring.scores import Cell
from mmedit_bench.scoring.sequence_scores import Point


def point(at: int, value: float | None, low: float | None = None, high: float | None = None) -> Point:
    return Point(at, {"reliability/main": Cell(value, low, high, 9, 9, "generation_exact")})


def test_a_curve_spans_its_axes() -> None:
    (curve,) = curves_of(
        [point(1, 100.0, 100.0, 100.0), point(5, 50.0, 40.0, 60.0), point(10, 0.0, 0.0, 9.0)], "x"
    )
    assert [(dot.x, dot.y) for dot in curve.dots] == [
        (LEFT, TOP), (round(LEFT + WIDTH * 4 / 9, 1), TOP + HEIGHT / 2), (LEFT + WIDTH, TOP + HEIGHT),
    ]  # fmt: skip
    assert curve.line.startswith("M34 10L") and curve.band.endswith("Z")
    assert curve.dots[1].title == "5: 50.0 [40.0, 60.0]"
    assert [at for at, _ in curve.across] == [1, 5, 10]


def test_without_intervals_there_is_no_band_and_crowded_labels_give_way() -> None:
    (curve,) = curves_of([point(at, 50.0) for at in (1, 2, 3, 100)], "x")
    assert curve.band == ""
    assert [at for at, _ in curve.across] == [3, 100]


def test_one_point_is_no_curve() -> None:
    assert curves_of([point(1, 50.0), point(2, None)], "x") == ()
