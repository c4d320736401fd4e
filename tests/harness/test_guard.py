"""When proofs are due, and what they see. The harness' tests show what follows from them."""

from typing import Any

import pytest

from mmedit_bench.errors import WeightsChanged
from mmedit_bench.harness.guard import ProofPolicy, WeightGuard, refuse_spoiled
from tests.fakes.backbone import FakeBackbone


class Clock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def guard_of(policy: ProofPolicy, clock: Clock, proof_seconds: float = 1.0) -> tuple[Any, WeightGuard]:
    backbone: Any = FakeBackbone()

    def canary() -> str:
        clock.now += proof_seconds
        return "same"

    return backbone, WeightGuard(backbone, backbone.digest, policy, canary, clock)


def test_proofs_take_about_their_share() -> None:
    clock = Clock()
    _, guard = guard_of(ProofPolicy(share=0.1), clock)
    due = []
    for _ in range(30):
        clock.now += 2.5
        due.append(guard.due())
        if due[-1]:
            guard.prove("now")
    assert due == ([False] * 3 + [True]) * 7 + [False] * 2


def test_every_is_an_upper_bound() -> None:
    clock = Clock()
    _, guard = guard_of(ProofPolicy(share=1e-9, every=3), clock)
    assert [guard.due() for _ in range(3)] == [False, False, True]
    guard.prove("now")
    assert [guard.due() for _ in range(3)] == [False, False, True]


def test_free_proofs_are_always_due() -> None:
    _, guard = guard_of(ProofPolicy(), Clock(), proof_seconds=0)
    assert guard.due()


def test_watching_sees_versions_and_proving_sees_the_rest() -> None:
    backbone, guard = guard_of(ProofPolicy(), Clock())
    guard.watch("first")
    backbone.model.weights[0] = 9
    guard.watch("second")  # the counter did not move
    with pytest.raises(WeightsChanged, match=r"^third, the base weights differ"):
        guard.prove("third")
    with pytest.raises(WeightsChanged, match="load it anew"):
        refuse_spoiled(backbone)


def test_a_wrong_digest_at_the_start() -> None:
    backbone: Any = FakeBackbone()
    with pytest.raises(WeightsChanged, match="before the first edit"):
        WeightGuard(backbone, "0" * 64, ProofPolicy(), lambda: None)


def test_a_canary_that_raises_is_a_changed_backbone() -> None:
    backbone: Any = FakeBackbone()
    calls: list[int] = []

    def canary() -> None:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("hook")

    guard = WeightGuard(backbone, backbone.digest, ProofPolicy(), canary)
    with pytest.raises(WeightsChanged, match="a hook"):
        guard.prove("after")
