"""Parts of a run that cost nothing, to be registered: what is tried here is the way around them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmedit_bench.cases import EditCase, EditRequest
from mmedit_bench.datasets.suite import allow
from mmedit_bench.editors import Training
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.suite import FakeSuite

PUBLIC: dict[str, Any] = {"interrupt": None}
"""What a test sets: `interrupt`, the number of the edit at which Ctrl-C is pressed."""


class Suite(FakeSuite):
    """The fake suite under the splits that commands ask for."""

    splits = ("train", "validation", "evaluation")

    def cases(self, split: str) -> tuple[EditCase, ...]:
        allow(self.name, split)
        return super().cases("train" if split == "train" else "test")


def backbone(*, device: str = "cpu", dtype: str = "float32", batch_size: int = 4) -> FakeBackbone:
    return FakeBackbone()


class Plain:
    """Answers the edited prompt with the target."""

    name = "plain"
    version = "1"

    def edit(self, backbone: FakeBackbone, request: EditRequest) -> FakeEdit:
        if PUBLIC["interrupt"] is not None and f"new {PUBLIC['interrupt']}" == request.target:
            raise KeyboardInterrupt
        time.sleep(float(os.environ.get("MMEDIT_BENCH_TEST_SLEEP", "0")))
        return FakeEdit(request.query.prompt, request.target)


class Pupil(Plain):
    """Learns a number first."""

    name = "pupil"

    def training_settings(self, backbone: FakeBackbone) -> Mapping[str, Any]:
        return {}

    def train(
        self, backbone: FakeBackbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        module = nn.Linear(1, 200)

        def step(index: int, rng: random.Random) -> Mapping[str, float]:
            module.bias.data.fill_(float(index))
            return {"loss": 0.0}

        training.run(3, step, module=module)
        return {"count": module.bias}

    def load(self, backbone: FakeBackbone, tensors: Mapping[str, Tensor]) -> None:
        assert torch.equal(tensors["count"], torch.full((200,), 2.0))
