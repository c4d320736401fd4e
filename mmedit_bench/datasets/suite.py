"""What the harness and the scorer need from a data set."""

from __future__ import annotations

from typing import Protocol

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadData

TRAIN = "train"
"""The split whose cases an editor may be handed in full, to prepare itself."""


class Suite(Protocol):
    """Cases of one task, by split. What is registered under `mmedit_bench.suites` returns one."""

    @property
    def name(self) -> str:
        """The name it is registered under."""

    @property
    def task(self) -> str:
        """What is edited, such as "vqa" or "caption"."""

    @property
    def digest(self) -> str:
        """sha256 (hex) of all its cases and pictures: equal digests, equal suites."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of its splits; `TRAIN` is among them if editors can be trained on it."""

    def cases(self, split: str) -> tuple[EditCase, ...]:
        """The cases of a split, always in the same order. Raises `BadData` for an unknown split."""


_trained_only = False


def only_train() -> None:
    """From now on this process gives out cases of the training split only.

    The process of an isolated editor begins with it, so that a request cannot be looked up by what
    it says. It is a fence, not a wall: code that means to can read the data files.
    """
    global _trained_only
    _trained_only = True


def allow(suite: str, split: str) -> None:
    """Raises `BadData` for a split that this process does not give out; suites call it."""
    if _trained_only and split != TRAIN:
        raise BadData(f"suite {suite}: an editor's process is given the split {TRAIN!r} only, not {split!r}")
