"""A training that is stopped and goes on ends as an undisturbed one."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from mmedit_bench.editors import deterministic
from mmedit_bench.errors import BenchError
from mmedit_bench.harness.training import Training


class Learner:
    """A linear map with a running mean, fitted to noise by two optimisers."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(3, 2)
        self.module.register_buffer("mean", torch.zeros(3))
        self.optimisers = [
            torch.optim.Adam([self.module.weight], lr=0.1),
            torch.optim.SGD([self.module.bias], lr=0.1, momentum=0.9),
        ]
        self.indices: list[int] = []

    def step(self, index: int, rng: random.Random) -> Mapping[str, float]:
        x = torch.randn(4, 3, generator=deterministic(rng))
        mean = self.module.mean
        assert isinstance(mean, torch.Tensor)
        mean.lerp_(x.mean(0), 0.1)
        loss = (self.module(x - mean) - rng.random()).square().mean()
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.optimisers:
            optimiser.step()
        self.indices.append(index)
        return {"loss": loss.item()}

    def train(
        self, training: Training, steps: int = 30, step: Callable[..., Mapping[str, float]] | None = None
    ) -> None:
        training.run(steps, step or self.step, module=self.module, optimisers=self.optimisers, label="fit")


@pytest.mark.parametrize("stopped_at", [0, 1, 17, 29])
def test_a_stopped_training_ends_as_an_undisturbed_one(tmp_path: Path, stopped_at: int) -> None:
    whole = Training(seed=5)
    undisturbed = Learner()
    undisturbed.train(whole)

    stopped = Learner()

    def until(index: int, rng: random.Random) -> Mapping[str, float]:
        if index == stopped_at:
            raise KeyboardInterrupt
        return stopped.step(index, rng)

    with pytest.raises(KeyboardInterrupt):
        stopped.train(Training(5, tmp_path, every_seconds=0), step=until)
    resumed, again = Learner(), Training(5, tmp_path)
    resumed.train(again)
    assert resumed.indices == list(range(stopped_at, 30))
    for name, value in undisturbed.module.state_dict().items():
        assert torch.equal(value, resumed.module.state_dict()[name]), name
    assert again.curves == whole.curves
    assert [row["step"] for row in whole.curves["fit"]] == list(range(30))

    finished = Learner()
    finished.train(Training(5, tmp_path))  # nothing is left to do, and the result is there
    assert not finished.indices
    assert torch.equal(finished.module.weight, undisturbed.module.weight)


def test_the_seed_decides(tmp_path: Path) -> None:
    results = []
    for seed in (1, 1, 2):
        learner = Learner()
        learner.train(Training(seed))
        results.append(learner.module.weight)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_progress_is_told_and_long_curves_are_thinned() -> None:
    told: list[tuple[str, int, int]] = []
    training = Training(report=lambda label, done, total, values: told.append((label, done, total)))
    training.run(1000, lambda index, rng: {"loss": float(index)}, module=nn.Linear(1, 1))
    assert told[0] == ("train", 1, 1000) and told[-1] == ("train", 1000, 1000)
    curve = training.curves["train"]
    assert len(curve) == 101 and curve[-1] == {"step": 999, "loss": 999.0}


def test_what_goes_wrong_is_said(tmp_path: Path) -> None:
    training = Training(0, tmp_path)
    with pytest.raises(BenchError, match="loss is not a number at step 0"):
        training.run(3, lambda index, rng: {"loss": float("nan")}, module=nn.Linear(1, 1))
    with pytest.raises(BenchError, match="own label"):
        training.run(3, lambda index, rng: {}, module=nn.Linear(1, 1))
    training.run(1, lambda index, rng: {}, module=nn.Linear(1, 1), label="other")
    with pytest.raises(BenchError, match=r"other\.safetensors: kept state does not fit"):
        Training(0, tmp_path).run(2, lambda index, rng: {}, module=nn.Linear(2, 1), label="other")
    (tmp_path / "other.safetensors").write_bytes(b"torn")
    with pytest.raises(BenchError, match=r"other\.safetensors: kept state does not fit"):
        Training(0, tmp_path).run(2, lambda index, rng: {}, module=nn.Linear(1, 1), label="other")
