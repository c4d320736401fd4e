"""Random numbers that follow from the run's seed and from what they are drawn for."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
from collections.abc import Iterator


def seed_of(seed: int, purpose: str) -> int:
    """A seed of 32 bits for one purpose of a run: a segment's, an edit's, the training's."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{purpose}".encode()).digest()[:4], "big")


def sow(value: int) -> None:
    """Seed Python, NumPy and PyTorch in this process."""
    random.seed(value)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(value)
    if torch := sys.modules.get("torch"):  # one that was never imported has drawn nothing
        torch.manual_seed(value)


def seed_everything(seed: int, purpose: str) -> None:
    """Seed all generators for a purpose.

    What is drawn for it is then the same whether or not something else was done before it, and in
    whichever process.
    """
    sow(seed_of(seed, purpose))


@contextlib.contextmanager
def apart(seed: int, purpose: str) -> Iterator[None]:
    """Seed all generators for a purpose, and have them go on afterwards as if nothing had been drawn."""
    state = random.getstate()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    drawn = numpy.random.get_state() if numpy else None
    try:
        with torch.random.fork_rng() if torch else contextlib.nullcontext():
            seed_everything(seed, purpose)
            yield
    finally:
        random.setstate(state)
        if numpy:
            numpy.random.set_state(drawn)
