"""Plugins for trying the commands: a tiny backbone, a suite of six cases, editors good and bad."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmedit_bench.cases import EditCase, EditRequest, Probe, Query
from mmedit_bench.datasets.prompts import Formatted
from mmedit_bench.datasets.suite import allow
from mmedit_bench.editors import Backbone, ConstantAnswer, Edit, Route, Training
from tests.tiny import tiny_backbone, tiny_cases


class Suite:
    """`tiny_cases` of two splits."""

    name = "lab-suite"
    task = "vqa"
    digest = "1ab" * 21 + "1"
    splits = ("train", "validation", "evaluation")

    def cases(self, split: str) -> tuple[EditCase, ...]:
        allow(self.name, split)
        return tiny_cases(6, split)

    def blind(self, secret: bytes) -> BlindSuite:
        return BlindSuite(secret)


class BlindSuite(Suite):
    """The same cases; their probes have other ids, wordings and an order of their own by a secret."""

    name = "lab-suite-blind"

    def __init__(self, secret: bytes) -> None:
        self.digest = hashlib.sha256(secret).hexdigest()

    def cases(self, split: str) -> tuple[EditCase, ...]:
        return tuple(replace(case, probes=self._drawn(case, "probe")) for case in super().cases(split))

    def decoys(self, split: str) -> dict[str, tuple[Query, ...]]:
        drawn = {case.id: self._drawn(case, "decoy") for case in super().cases(split)}
        return {id: tuple(probe.query for probe in probes) for id, probes in drawn.items()}

    def _drawn(self, case: EditCase, what: str) -> tuple[Probe, ...]:
        chance = random.Random(f"{self.digest}/{what}/{case.id}")
        probes = [
            replace(
                probe,
                id=f"{case.id}/{chance.getrandbits(48):012x}",
                query=Query(f"{probe.query.prompt} {chance.randrange(1000)}", probe.query.image),
            )
            for probe in case.probes
        ]
        return tuple(chance.sample(probes, len(probes)))


def worded() -> Formatted:
    """The suite in other words."""
    return Formatted(Suite(), "legacy-trainer")


def backbone(*, device: str = "cpu", dtype: str = "float32", batch_size: int = 16) -> Backbone:
    """A random backbone; the device is taken and not used."""
    made = tiny_backbone("opt", dtype=dtype)
    made.name, made.batch_size = "lab-backbone", batch_size
    return made


class Echo:
    """Answers everything with the target, in upper case if so set."""

    name = "echo"
    version = "1"
    cost_class = "free"

    def __init__(self, shout: bool = False) -> None:
        self.shout = shout

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        target = request.target.upper() if self.shout else request.target
        return Edit((Route(ConstantAnswer(target)),))


class Fragile(Echo):
    """Fails on every other case."""

    name = "fragile"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if int(request.target.split()[-1]) % 2:
            raise RuntimeError("odd cases are beyond me")
        return super().edit(backbone, request)


class Deadly(Echo):
    """Ends its process over the third case."""

    name = "deadly"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if request.target.endswith(" 2"):
            os._exit(0)
        return super().edit(backbone, request)


class Slow(Echo):
    """Takes an hour over the third case."""

    name = "slow"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if request.target.endswith(" 2"):
            time.sleep(3600)
        return super().edit(backbone, request)


class Curious(Echo):
    """Looks the evaluation split up before it answers."""

    name = "curious"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        Suite().cases("evaluation")
        return super().edit(backbone, request)


class Defective(Echo):
    """Has a defect that no user can mend."""

    name = "defective"

    def prepare(self, backbone: Backbone, cases: object) -> None:
        raise ZeroDivisionError("a defect")


class Pupil(Echo):
    """Learns a number before it echoes."""

    name = "pupil"
    cost_class = "trained"

    def training_settings(self, backbone: Backbone) -> Mapping[str, Any]:
        return {}

    def train(
        self, backbone: Backbone, cases: Sequence[EditCase], training: Training
    ) -> Mapping[str, Tensor]:
        module = nn.Linear(1, 1)

        def step(index: int, rng: random.Random) -> Mapping[str, float]:
            module.bias.data.fill_(float(len(cases)))
            return {"loss": 0.0}

        training.run(5, step, module=module)
        return {"count": module.bias}

    def load(self, backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
        assert tensors["count"].item() == 6


class Coded(Pupil):
    """Has spaces to draw: two sorts lie far apart in one of them, and mixed in the other."""

    name = "coded"

    def spaces(self) -> dict[str, dict[str, Tensor]]:
        noise = [torch.randn(12, 3, generator=torch.Generator().manual_seed(k)) for k in range(4)]
        return {
            "sorted": {"even": noise[0] * 0.1 + 1, "odd": noise[1] * 0.1 - 1},
            "mixed": {"even": noise[2], "odd": noise[3]},
        }


class Misnamed(Echo):
    """Bears another name than it is registered under; see conftest."""

    name = "somebody-else"
