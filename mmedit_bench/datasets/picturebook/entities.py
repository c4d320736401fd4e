"""The split of things into train, validation and evaluation, and which facts backbones are not told.

Every choice is drawn from a generator seeded by what it is about, so adding a thing moves no other.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from mmedit_bench.datasets.picturebook import wordings

ARTISTS = ("twemoji", "noto", "unseen")
"""Twemoji and Noto are trained on; `unseen` (Fluent 3D for things, flag-icons for flags) never is."""

SEED = "picturebook-1"
SPLITS = {"train": 0.53, "validation": 0.15, "evaluation": 0.32}
CAPTIONS_WITHHELD = 0.36
"""Share of things whose caption is withheld from backbone training."""
WITHHELD_IN_CAPTION = 0.55
"""Chance that a fact which the caption gives away is withheld, where the caption is."""
WITHHELD_ELSEWHERE = 0.45
"""Chance that any other fact is withheld; together 25-30 % of all facts."""


@dataclass(frozen=True, slots=True)
class Fact:
    """`relation` of a thing; `withheld` ones no backbone is trained on, in any form."""

    relation: str
    value: str
    withheld: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """A pictured thing as shipped. `pictures` maps artist to encoded bytes."""

    id: str
    name: str
    group: str
    split: str
    facts: tuple[Fact, ...]
    caption: str
    caption_withheld: bool
    pictures: dict[str, bytes]

    def fact(self, relation: str) -> Fact | None:
        """The fact of that relation, if the thing has one."""
        return next((f for f in self.facts if f.relation == relation), None)

    @property
    def known(self) -> tuple[Fact, ...]:
        """Facts backbones are trained on."""
        return tuple(f for f in self.facts if not f.withheld)


def rng(*about: str) -> random.Random:
    """A generator for one choice, seeded by what the choice is about."""
    return random.Random(hashlib.sha256("/".join((SEED, *about)).encode()).digest())


def assign_splits(things: Sequence[tuple[str, str]]) -> dict[str, str]:
    """(id, group) of all things -> split by id, the shares of `SPLITS` within each group."""
    out: dict[str, str] = {}
    for group in sorted({g for _, g in things}):
        ids = sorted((i for i, g in things if g == group), key=lambda i: rng("split", i).random())
        start = 0.0
        for split, share in SPLITS.items():
            out.update(dict.fromkeys(ids[round(start * len(ids)) : round((start + share) * len(ids))], split))
            start += share
    return out


def make_entity(
    id: str, name: str, group: str, split: str, facts: dict[str, str], pictures: dict[str, bytes]
) -> Entity:
    """Decide what is withheld about one thing."""
    caption_withheld = rng("caption", id).random() < CAPTIONS_WITHHELD
    told = wordings.CAPTION_RELATIONS[group]
    rows = []
    for relation, value in sorted(facts.items()):
        share = (
            WITHHELD_ELSEWHERE if relation not in told else WITHHELD_IN_CAPTION if caption_withheld else 0.0
        )
        rows.append(Fact(relation, value, rng("fact", id, relation).random() < share))
    return Entity(
        id, name, group, split, tuple(rows), wordings.caption(name, group, facts), caption_withheld, pictures
    )
