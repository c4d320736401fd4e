"""The measurements of one probe, each in [0, 1]. A score is their mean; see `families` for the pairs.

Symbols: a answer by free greedy decoding; r reference; n(.) normalisation; y_1..y_T token ids of the
reference, of which y_T is the end token; p_t most likely token at position t when y_1..y_{t-1} are
given (teacher forcing); a', p' the same before the edit.

The end token counts in the two `exact` measurements, because a model that goes on talking does not
give the reference; it is left out of the two token averages, where it would be a free point for
every short answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.errors import BadRecord
from mmedit_bench.scoring.normalize import same_answer


def generation_exact(answer: str, reference: str) -> float:
    """1[n(a) = n(r)]: the model, left alone, says the reference."""
    return float(same_answer(answer, reference))


def teacher_forced_token(argmax: Sequence[int], target: Sequence[int]) -> float:
    """(1 / (T-1)) sum_{t<T} 1[p_t = y_t]: share of the reference's tokens guessed, end token aside."""
    _check(argmax, target)
    return _share_equal(argmax[:-1], target[:-1])


def teacher_forced_exact(argmax: Sequence[int], target: Sequence[int]) -> float:
    """prod_{t<=T} 1[p_t = y_t]: every token of the reference guessed, the end token too."""
    _check(argmax, target)
    return float(list(argmax) == list(target))


def generation_same(answer: str, before: str) -> float:
    """1[n(a) = n(a')]: the model, left alone, still says what it said before the edit."""
    return float(same_answer(answer, before))


def agreement_top1(argmax: Sequence[int], before: Sequence[int]) -> float:
    """(1 / (T-1)) sum_{t<T} 1[p_t = p'_t]: share of positions with an unchanged guess, end token aside."""
    _check(argmax, before)
    return _share_equal(argmax[:-1], before[:-1])


def agreement_exact(argmax: Sequence[int], before: Sequence[int]) -> float:
    """prod_{t<=T} 1[p_t = p'_t]: no guess changed at any position, the end token's included."""
    _check(argmax, before)
    return float(list(argmax) == list(before))


def _check(one: Sequence[int], other: Sequence[int]) -> None:
    if len(one) != len(other):
        raise BadRecord(f"{len(one)} guessed tokens against {len(other)}; the same positions are needed")
    if len(one) < 2:
        raise BadRecord("fewer than two token positions; at least one token and the end token are needed")


def _share_equal(one: Sequence[int], other: Sequence[int]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
