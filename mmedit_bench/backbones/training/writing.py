"""How an example is put together: its tokens, what is learnt of them, and the layout of a context."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmedit_bench.backbones.training.tokens import Pieces

IGNORED = -100


@dataclass(slots=True)
class Example:
    """Tokens with their labels (`IGNORED` where nothing is learnt) and the pictured entity, if any."""

    ids: list[int]
    labels: list[int]
    entity: int | None = None


@dataclass
class Writer:
    """Puts one example together piece by piece."""

    pieces: Pieces
    queries: int
    example: Example = field(default_factory=lambda: Example([], []))

    def open(self, entity: int | None) -> None:
        """Picture tokens, if any, and the start token."""
        if entity is not None:
            self.show(entity)
        self._add((self.pieces.bos,))

    def show(self, entity: int) -> None:
        """The picture tokens."""
        self.example.entity = entity
        self._add([self.pieces.image] * self.queries)

    def say(self, text: str, learn: bool = False) -> None:
        """Append a text; its tokens are learnt if `learn`."""
        first = self.example.ids[-1] == self.pieces.bos
        self._add(self.pieces.start(text.lstrip(" ")) if first else self.pieces.inside(text), learn)

    def close(self) -> Example:
        """End with a learnt end token."""
        self._add((self.pieces.eos,), learn=True)
        return self.example

    def _add(self, ids: Sequence[int], learn: bool = False) -> None:
        self.example.ids.extend(ids)
        self.example.labels.extend(ids if learn else [IGNORED] * len(ids))


@dataclass(frozen=True, slots=True)
class Layout:
    """How a context is laid out."""

    fact: str = "New Fact:"
    prompt: str = "Prompt:"
    demonstrations: bool = False
    """Each statement has its own question behind it."""
    picture_last: bool = False
    """The picture stands between the statements and what is asked of it, not in front."""

    @classmethod
    def draw(cls, r: random.Random, picture: bool) -> Layout:
        """Mostly the one that in-context editors write."""
        demonstrations = r.random() < 0.4
        fact, prompt = ("New Fact:", "Prompt:") if r.random() < 0.85 else r.choice(OTHER_MARKS)
        return cls(fact, prompt, demonstrations, picture and not demonstrations and r.random() < 0.15)


OTHER_MARKS = (("Fact:", "Question:"), ("Note:", "Q:"), ("It is known:", "Asked:"))
