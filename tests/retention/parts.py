"""A protocol that measures, and editors to be measured.

They stand apart from the tests so that the digest of their code is taken of little.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from mmedit_bench.cases import EditCase, EditRequest
from mmedit_bench.interventions import Context, Edit, WeightDelta
from mmedit_bench.protocols.steps import Apply, Ask, Measure, Step, Unit


class Watched:
    """All edits in one unit, with the measures before the first and after the last."""

    name, version = "watched", "1"

    def __init__(self, measures: Mapping[str, Any] | None = None) -> None:
        self.options = {"measures": dict(measures or {})}

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        def taken(moment: str) -> list[Step]:
            return [Measure(name, options, moment) for name, options in self.options["measures"].items()]

        applies = [Apply(case.request) for case in cases]
        yield Unit("all", (*taken("start"), *applies, *taken("end"), *(Ask(case) for case in cases)))


class Null:
    """An edit of nothing."""

    name, version = "nothing", "1"

    def edit(self, backbone: Any, request: EditRequest) -> Edit:
        return Edit(())


class Wrecker:
    """A loud change of the head, other at each edit."""

    name, version = "wrecker", "1"

    def edit(self, backbone: Any, request: EditRequest) -> Edit:
        (path,) = (name for name, _ in backbone.model.named_modules() if name.endswith("lm_head"))
        noise = torch.randn(backbone.weight(path).shape)
        return Edit((WeightDelta(path, (3 + random.random()) * noise),))


class Talker:
    """Contexts of which two fill the backbone."""

    name, version = "talker", "1"

    def edit(self, backbone: Any, request: EditRequest) -> Edit:
        return Edit((Context("name the colour of the ball. " * 25),))
