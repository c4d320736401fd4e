import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadRecord
from mmedit_bench.scoring import metrics

EOS = 2
IDS = st.lists(st.integers(3, 9), min_size=1, max_size=6).map(lambda ids: [*ids, EOS])


def test_generation() -> None:
    assert metrics.generation_exact("The tangerine.", "tangerine") == 1
    assert metrics.generation_exact("tangerine tree", "tangerine") == 0
    assert metrics.generation_same("Two", "2") == 1
    assert metrics.generation_same("", "two") == 0


def test_the_end_token_counts_in_exact_only() -> None:
    target, goes_on = [5, 6, EOS], [5, 6, 7]
    assert metrics.teacher_forced_token(goes_on, target) == 1
    assert metrics.teacher_forced_exact(goes_on, target) == 0
    assert metrics.agreement_top1(goes_on, target) == 1
    assert metrics.agreement_exact(goes_on, target) == 0


def test_share_of_tokens() -> None:
    assert metrics.teacher_forced_token([5, 9, 9, 8, EOS], [5, 6, 7, 8, EOS]) == 0.5
    assert metrics.agreement_top1([5, 9, 9, 8, EOS], [5, 6, 7, 8, EOS]) == 0.5


@pytest.mark.parametrize(
    "metric",
    [
        metrics.teacher_forced_token,
        metrics.teacher_forced_exact,
        metrics.agreement_top1,
        metrics.agreement_exact,
    ],
)
def test_positions_must_match(metric) -> None:
    with pytest.raises(BadRecord, match="same positions"):
        metric([1, 2], [1, 2, 3])
    with pytest.raises(BadRecord, match="fewer than two"):
        metric([EOS], [EOS])


@given(IDS, st.data())
def test_bounds_and_order(target: list[int], data: st.DataObject) -> None:
    argmax = data.draw(st.lists(st.integers(2, 9), min_size=len(target), max_size=len(target)))
    token = metrics.teacher_forced_token(argmax, target)
    exact = metrics.teacher_forced_exact(argmax, target)
    assert 0 <= exact <= token <= 1
    assert metrics.teacher_forced_exact(target, target) == metrics.teacher_forced_token(target, target) == 1
    assert metrics.agreement_top1(argmax, target) == metrics.agreement_top1(target, argmax)
