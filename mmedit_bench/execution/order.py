"""What a user orders: a run by the names of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
