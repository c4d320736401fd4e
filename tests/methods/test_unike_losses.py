"""UniKE's contrastive losses against plain loops over the printed sums."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cosine_similarity

from methods.unike.losses import semantic_loss, truthfulness_loss


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def similar(temperature: float, a: Tensor, b: Tensor) -> float:
    return math.exp(float(cosine_similarity(a, b, dim=0)) / temperature)


@given(st.integers(1, 5), st.integers(1, 6), st.sampled_from([0.1, 1.0, 3.0]), st.integers(0, 99))
def test_eq4_truthfulness_loss_is_the_printed_sum(n: int, d: int, temperature: float, seed: int) -> None:
    right, wrong = normal(n, d, seed=seed), normal(n, d, seed=seed + 100)
    s = partial(similar, temperature)
    expected = 0.0
    for i in range(n):
        every = [*right, *wrong]
        expected -= math.log(sum(s(right[i], h) for h in right) / sum(s(right[i], h) for h in every))
        expected -= math.log(sum(s(wrong[i], h) for h in wrong) / sum(s(wrong[i], h) for h in every))
    assert truthfulness_loss(right, wrong, temperature).item() == pytest.approx(expected, rel=1e-3, abs=1e-4)


@given(st.integers(1, 5), st.integers(1, 6), st.sampled_from([0.1, 1.0, 3.0]), st.integers(0, 99))
def test_eq5_semantic_loss_is_the_printed_sum(n: int, d: int, temperature: float, seed: int) -> None:
    question, right, wrong = (normal(n, d, seed=seed + k) for k in (0, 100, 200))
    s = partial(similar, temperature)
    expected = 0.0
    for i in range(n):
        own = s(question[i], right[i]) + s(question[i], wrong[i])
        every = sum(s(question[i], h) for h in right) + sum(s(question[i], h) for h in wrong)
        expected -= math.log(own / every)
    found = semantic_loss(question, right, wrong, temperature).item()
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


@given(st.integers(2, 5), st.integers(1, 6), st.sampled_from([0.1, 1.0, 3.0]), st.integers(0, 99))
def test_eq4_without_the_anchor_is_the_sum_over_all_other_states(
    n: int, d: int, temperature: float, seed: int
) -> None:
    right, wrong = normal(n, d, seed=seed), normal(n, d, seed=seed + 100)
    s = partial(similar, temperature)
    expected = 0.0
    for sort, other in ((right, wrong), (wrong, right)):
        for i in range(n):
            own = sum(s(sort[i], sort[j]) for j in range(n) if j != i)
            expected -= math.log(own / (own + sum(s(sort[i], h) for h in other)))
    found = truthfulness_loss(right, wrong, temperature, anchor=False).item()
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_eq4_with_the_anchor_is_small_for_codes_that_are_only_spread_apart() -> None:
    spread = torch.eye(8)
    right, wrong = spread[:4], spread[4:]
    assert truthfulness_loss(right, wrong, 0.1) / 4 < 0.01
    assert truthfulness_loss(right, wrong, 0.1, anchor=False) / 4 > 1
    assert truthfulness_loss(right[:1], wrong[:1], 0.1, anchor=False) == 0


def test_the_losses_have_their_minima_where_the_paper_wants_them() -> None:
    apart, mixed = torch.eye(4)[:2], torch.eye(4)[2:]
    assert truthfulness_loss(apart[:1].repeat(3, 1), mixed[:1].repeat(3, 1), 0.1) < 1e-2
    assert truthfulness_loss(apart[:1].repeat(3, 1), apart[:1].repeat(3, 1), 0.1) > 3 * math.log(2)
    assert semantic_loss(torch.eye(3), torch.eye(3), torch.eye(3), 0.05) < 1e-2
