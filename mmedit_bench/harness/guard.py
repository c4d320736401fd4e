"""Proof that an editor left the backbone as it found it.

Three kinds of evidence, from cheap to strong. Version counters are compared after every edit: they
show an ordinary write in place, but not one through `.data` or a parameter that was swapped. The
digest shows any changed weight. A canary batch asked of the unedited backbone shows what is not a
weight: a hook left behind, a patched function, a tampered cache. Digest and canary together are a
proof; a run records a unit only after a proof that follows it.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import WeightsChanged

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone


_spoiled: weakref.WeakSet[Any] = weakref.WeakSet()
"""Models that an editor altered in this process. A hook left behind would not show in their digest."""


def refuse_spoiled(backbone: Backbone) -> None:
    """Raises `WeightsChanged` for a backbone whose model failed a proof before."""
    if backbone.model in _spoiled:
        raise WeightsChanged(f"backbone {backbone.name} was altered by an earlier editor; load it anew")


@dataclass(frozen=True, slots=True)
class ProofPolicy:
    """How often to prove, apart from the start, the first unit and the end.

    With `share`, as soon as the work since the last proof has taken 1/`share` times as long as a
    proof does, so proofs take about that part of the time. `every` units at the latest, if given.
    What a killed run loses is the work since the last proof. No choice changes a recorded byte.
    """

    share: float = 0.05
    every: int | None = None


class WeightGuard:
    """Watches one unedited backbone during a run."""

    def __init__(
        self,
        backbone: Backbone,
        digest: str,
        policy: ProofPolicy,
        canary: Callable[[], object],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`digest` is that of the untouched backbone; `canary` asks it something, and is asked now."""
        self._backbone = backbone
        self._digest = digest
        self._policy = policy
        self._canary = canary
        self._clock = clock
        self._versions = backbone.versions()
        started = clock()
        self._expected = canary()
        self._prove_digest("before the first edit")
        self._proven_at = clock()
        self._cost = self._proven_at - started
        self._units = 0

    def watch(self, when: str) -> None:
        """Compare version counters, and where they differ the digest. Raises `WeightsChanged`."""
        versions = self._backbone.versions()
        if versions != self._versions:
            self._prove_digest(when)  # written to and put back: allowed, though no edit needs it
            self._versions = versions

    def due(self) -> bool:
        """Called once after each unit: whether it is time for a proof."""
        self._units += 1
        if self._policy.every is not None and self._units >= self._policy.every:
            return True
        return (self._clock() - self._proven_at) * self._policy.share >= self._cost

    def prove(self, when: str) -> None:
        """Compare digest and canary. Raises `WeightsChanged`."""
        started = self._clock()
        self._prove_digest(when)
        try:
            same = self._canary() == self._expected
        except Exception:  # a hook left behind can also raise
            same = False
        if not same:
            _spoiled.add(self._backbone.model)
            raise WeightsChanged(
                f"{when}, the unedited backbone answers differently although its weights are the same: a "
                "hook, a patched function or a tampered cache was left behind. An editor returns an Edit "
                "and leaves the backbone alone."
            )
        self._versions = self._backbone.versions()
        self._proven_at = self._clock()
        self._cost = self._proven_at - started
        self._units = 0

    def _prove_digest(self, when: str) -> None:
        if self._backbone.digest != self._digest:
            _spoiled.add(self._backbone.model)
            raise WeightsChanged(
                f"{when}, the base weights differ from those the run began with. An editor returns an Edit "
                "and never writes to the model; load the backbone anew before the next run."
            )
