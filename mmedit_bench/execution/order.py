"""What a user orders: a run by the names of its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError

EVALUATION = "evaluation"
"""The split that published numbers are measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run by the names of its parts, as a user orders it."""

    suite: str
    backbone: str
    editor: str
    protocol: str = "one-step"
    protocol_options: Mapping[str, Any] = field(default_factory=dict)
    split: str = EVALUATION
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the editor."""
    limit: int | None = None
    secret: Path | None = None
    """File of the secret by which the suite's probes are drawn anew; None asks the public ones.

    The order tells where the secret is and not what it is: an order crosses to workers, through files
    and queues, and each reads the file itself.
    """
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    loading: Mapping[str, str] = field(default_factory=dict)
    """What is asked of the backbone beyond its name: revision, weights, device_map."""
    batch_size: int = 16
    threads: int = 1
    """Threads of the processor for each process; the number changes the last bits of a sum."""
    evidence: tuple[str, ...] = ()
    """What is recorded beyond the default; see `runs.evidence`."""


def refuse_strangers(loading: Mapping[str, Mapping[str, str]], backbones: Collection[str]) -> None:
    """Raise `BenchError` where it is said how to load a backbone that nothing is to be done on."""
    for name, given in loading.items():
        if name not in backbones:
            option = next(iter(given)).replace("_", "-")
            known = ", ".join(dict.fromkeys(backbones)) or "none"
            raise BenchError(f"--{option} {name}=…: nothing is done on that backbone here, but on {known}")
