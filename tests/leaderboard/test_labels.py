import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.labels import HEIGHT, Box, place_labels

FRAME = Box(0, 0, 400, 300)
POINTS = st.lists(st.tuples(st.floats(10, 390), st.floats(10, 290)), max_size=6)


def boxes(points, widths):
    labels = place_labels(points, widths, FRAME)
    return [
        Box(label.x, label.y + 3.5 - HEIGHT, label.x + width, label.y + 3.5)
        for label, width in zip(labels, widths, strict=True)
    ]


@settings(max_examples=50, deadline=None)
@given(POINTS)
def test_labels_do_not_cover_each_other_and_stay_inside(points) -> None:
    placed = boxes(points, [60.0] * len(points))
    for one, other in itertools.combinations(placed, 2):
        assert one.overlap(other) < 1
    for box in placed:
        assert box.overlap(FRAME) > 0.99 * box.area


def test_a_lone_label_stands_beside_its_point_without_a_line() -> None:
    (label,) = place_labels([(100, 100)], [50], FRAME)
    assert label.leader is None
    assert 100 < label.x < 115


def test_labels_of_one_place_all_find_room() -> None:
    placed = boxes([(200, 150)] * 5, [70.0] * 5)
    assert not any(one.overlap(other) for one, other in itertools.combinations(placed, 2))
    assert sum(label.leader is not None for label in place_labels([(200, 150)] * 9, [70.0] * 9, FRAME)) >= 1
