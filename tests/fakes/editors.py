"""Editors for the fake backbone: an honest one, clumsy ones, and ones that break the rules."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from typing import Any

from mmedit_bench.cases import EditCase, EditRequest
from tests.fakes.backbone import FakeBackbone, FakeEdit


def about(request: EditRequest, number: int) -> bool:
    """Whether the request is that of test case `number`; its id does not tell."""
    return request.query.prompt == f"what is test-{number}?"


class CopyTarget:
    """Answers the edited prompt with the target and two random digits."""

    name = "copy"
    version = "1"

    def __init__(self, before: Callable[[FakeBackbone, EditRequest], Any] | None = None) -> None:
        self._before = before
        self.seen: list[str] = []

    def edit(self, backbone: FakeBackbone, request: EditRequest) -> Any:
        self.seen.append(request.target)
        if self._before:
            answer = self._before(backbone, request)
            if answer is not None:
                return answer
        return FakeEdit(request.query.prompt, f"{request.target} {random.randrange(100):02}")


class Preparing(CopyTarget):
    """Counts how often, when and with what it was prepared."""

    name = "preparing"

    def __init__(self, before: Callable[[FakeBackbone, EditRequest], Any] | None = None) -> None:
        super().__init__(before)
        self.prepared: list[tuple[EditCase, ...]] = []

    def prepare(self, backbone: FakeBackbone, cases: Sequence[EditCase]) -> None:
        assert not self.seen
        self.prepared.append(tuple(cases))


def raises(backbone: FakeBackbone, request: EditRequest) -> None:
    if about(request, 1):
        raise ValueError(f"cannot edit {request.target}, object at 0x7f00dead{random.randrange(9999):04}")


def exits(backbone: FakeBackbone, request: EditRequest) -> None:
    if about(request, 1):
        sys.exit(0)


def returns_nonsense(backbone: FakeBackbone, request: EditRequest) -> Any:
    return "an edit" if about(request, 1) else None


def returns_unusable(backbone: FakeBackbone, request: EditRequest) -> Any:
    return FakeEdit(request.query.prompt, "BREAK") if about(request, 1) else None


def writes(backbone: FakeBackbone, request: EditRequest) -> None:
    """In place, as an optimiser does."""
    if about(request, 2):
        backbone.model.write(0, 99)


def writes_and_restores(backbone: FakeBackbone, request: EditRequest) -> None:
    old = backbone.model.weights[0]
    backbone.model.write(0, 99)
    backbone.model.write(0, old)


def writes_unseen(backbone: FakeBackbone, request: EditRequest) -> None:
    """Past the version counter, as through `.data`."""
    if about(request, 2):
        backbone.model.weights[0] = 99


def leaves_hook(backbone: FakeBackbone, request: EditRequest) -> None:
    """Nothing is wrong with the weights; the second call of the function answers differently."""
    if about(request, 2):
        backbone.model.hooks.append(lambda query: backbone.knows.setdefault(query.prompt, "hooked"))
