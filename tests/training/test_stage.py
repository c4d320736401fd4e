"""Training can be stopped anywhere and ends the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmedit_bench.backbones.training.muon import Muon, orthogonalise
from mmedit_bench.backbones.training.stage import Schedule, cpu_seconds, run_stage

SCHEDULE = Schedule(steps=12, batch=1, warmup=3, save_every=4)


class Stopped(Exception):
    pass


def parameters() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {
        "weight": torch.randn(6, 4, requires_grad=True),
        "embed": torch.randn(5, 4, requires_grad=True),
        "bias": torch.zeros(6, requires_grad=True),
    }


def go(folder: Path, stop_at: int | None = None, identity: str = "a") -> dict[str, Tensor]:
    p = parameters()
    seen: list[int] = []

    def loss_at(step: int) -> Tensor:
        if step == stop_at:
            raise Stopped
        seen.append(step)
        x = torch.randn(5, 5, generator=torch.Generator().manual_seed(step))
        return ((x @ p["embed"] @ p["weight"].T + p["bias"]) ** 2).mean()

    run_stage("s", p, loss_at, SCHEDULE, folder, lambda *_: None, {"id": identity})
    p["steps"] = torch.tensor(seen)
    return p


@pytest.mark.parametrize("stop_at", [0, 3, 4, 5, 11])
def test_resumed_equals_undisturbed(tmp_path: Path, stop_at: int) -> None:
    whole = go(tmp_path / "whole")
    with pytest.raises(Stopped):
        go(tmp_path / "broken", stop_at)
    resumed = go(tmp_path / "broken")
    assert all(torch.equal(whole[k], resumed[k]) for k in ("weight", "embed", "bias"))
    assert resumed["steps"][0] == stop_at // 4 * 4


def test_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    first = go(tmp_path)
    again = go(tmp_path)
    assert again["steps"].numel() == 0
    assert torch.equal(first["weight"], again["weight"])
    assert cpu_seconds(tmp_path, "s") > 0


def test_another_identity_starts_afresh(tmp_path: Path) -> None:
    go(tmp_path, identity="a")
    assert go(tmp_path, identity="b")["steps"].numel() == SCHEDULE.steps


def test_a_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    p = {"bias": torch.zeros(1, requires_grad=True)}
    with pytest.raises(FloatingPointError, match="step 0"):
        run_stage("s", p, lambda _: p["bias"].sum() * float("nan"), SCHEDULE, tmp_path, lambda *_: None, {})


@given(steps=st.integers(100, 3000), warmup=st.integers(1, 80), flat=st.floats(0.1, 0.9))
def test_rate_warms_up_holds_and_decays(steps: int, warmup: int, flat: float) -> None:
    schedule = Schedule(steps=steps, batch=1, warmup=warmup, flat=flat)
    rates = [schedule.rate(i) for i in range(steps)]
    assert all(0 < r <= 1 for r in rates)
    falling = rates[max(int(flat * steps) + 1, warmup) :]
    assert falling == sorted(falling, reverse=True)
    assert rates[-1] < 0.1


def test_orthogonalise_flattens_singular_values() -> None:
    x = torch.randn(3, 6, 10, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(x))
    assert values.min() > 0.4
    assert values.max() < 1.4
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    near = orthogonalise(x).flatten(1)
    exact = (u @ v).flatten(1)
    assert (torch.cosine_similarity(near, exact) > 0.95).all()


def test_muon_equals_one_matrix_at_a_time() -> None:
    g = torch.Generator().manual_seed(1)
    start = [torch.randn(4, 7, generator=g), torch.randn(7, 4, generator=g), torch.randn(4, 7, generator=g)]
    grads = [[torch.randn(p.shape, generator=g) for p in start] for _ in range(3)]
    together = [p.clone().requires_grad_() for p in start]
    optimiser = Muon(together, lr=0.1, momentum=0.9, weight_decay=0.01)
    for step in grads:
        for p, grad in zip(together, step, strict=True):
            p.grad = grad.clone()
        optimiser.step()
    for i, p in enumerate(start):
        alone, momentum = p.clone(), torch.zeros_like(p)
        for step in grads:
            momentum = 0.9 * momentum + step[i]
            update = step[i] + 0.9 * momentum
            tall = p.shape[0] > p.shape[1]
            flat = orthogonalise((update.T if tall else update)[None])[0]
            scale = max(1, p.shape[0] / p.shape[1]) ** 0.5
            alone = alone * (1 - 0.1 * 0.01) - 0.1 * scale * (flat.T if tall else flat)
        assert torch.allclose(together[i], alone, atol=1e-5)
