"""Picturebook's edits with probes that only who holds a secret can know beforehand.

Requests stay as they are. What is asked about them is drawn by the secret: wordings, what locality
asks and about which things, drawings as other files, ids and order. Two things are stricter than in
the public draw, so that the words of a bare question do not tell whether its answer should change:

- the main stratum of image locality is the edited question, word for word, about another thing, in
  the hand of the artist that image generality shows;
- the main stratum of text locality is the edited question about another thing, in words; half of it
  is asked with a picture of that thing beside it, so that a picture is no sign either.

The public draw's main questions, about anything, are the stratum "far" here.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from functools import cache
from itertools import zip_longest

from mmedit_bench.cases import EditCase, ImageRef, Probe, Query
from mmedit_bench.datasets.blind import BLIND, commitment
from mmedit_bench.datasets.picturebook import files, halves, wordings
from mmedit_bench.datasets.picturebook.edits import (
    EDIT_ARTISTS,
    Asked,
    Draw,
    SplitPool,
    StoredEdit,
    changed,
    image_probe,
    portability,
    question,
    text_question,
)
from mmedit_bench.datasets.picturebook.entities import SPLITS, Entity, Fact
from mmedit_bench.datasets.picturebook.shifted import shifted
from mmedit_bench.datasets.suite import TRAIN, Suite, allow
from mmedit_bench.errors import BadData

DRAW = 1
"""Version of the way probes are drawn by a secret; raise it when that changes."""


DECOYS = 2
"""Further draws that decoys are taken from: enough for an edit that is asked about again."""


def drawn_by(secret: bytes) -> Draw:
    """Generators that follow from a secret and from what a choice is about."""

    def draw(*about: str) -> random.Random:
        return random.Random(hmac.digest(secret, "/".join(about).encode(), hashlib.sha256))

    return draw


BESIDE = 0.5
"""Chance that a question in words is asked with a picture of what it names beside it."""


class BlindPicturebook:
    """A Picturebook suite with the probes of one secret.

    The training split is the public one: editors learn from it, and what they learned is the same
    for every secret.
    """

    splits = tuple(SPLITS)

    def __init__(self, public: Suite, tasks: tuple[str, ...], secret: bytes) -> None:
        """`tasks`: whose cases it has, in turn."""
        self.name = f"{public.name}{BLIND}"
        self.task = public.task
        self.digest = hashlib.sha256(f"{public.digest}/{DRAW}/{commitment(secret)}".encode()).hexdigest()
        self._public = public
        self._tasks = tasks
        self._draw = drawn_by(secret)
        self._others = [
            drawn_by(hmac.digest(secret, b"decoys/%d" % n, hashlib.sha256)) for n in range(DECOYS)
        ]
        self._pictures: dict[str, ImageRef] = {}
        self._cases: dict[str, tuple[EditCase, ...]] = {}

    def cases(self, split: str) -> tuple[EditCase, ...]:
        """The cases of a split under their public ids and in their order. Raises as the public suite."""
        if split == TRAIN:
            return self._public.cases(split)
        if split not in SPLITS:
            raise BadData(f"suite {self.name}: no split {split!r}; there are {', '.join(SPLITS)}")
        allow(self.name, split)
        if split not in self._cases:
            in_turn = zip_longest(*(self._of(task, split) for task in self._tasks))
            self._cases[split] = tuple(case for cases in in_turn for case in cases if case is not None)
        return self._cases[split]

    def decoys(self, split: str) -> dict[str, tuple[Query, ...]]:
        """By case, questions of the same forms with the same drawings, none of which is one of its probes.

        They count for nothing: they are asked so that nobody can tell from what is asked together how
        many of its questions are of a kind.
        """
        pool = SplitPool(files.load().entities, split)
        own = {case.id: {probe.query for probe in case.probes} for case in self.cases(split)}
        found: dict[str, tuple[Query, ...]] = {}
        for edit in (edit for task in self._tasks for edit in _edits(task, split)):
            drawn = (self._query(one) for draw in self._others for one in probes(pool, edit, draw))
            found[edit.id] = tuple(query for query in dict.fromkeys(drawn) if query not in own[edit.id])
        return found

    def _of(self, task: str, split: str) -> list[EditCase]:
        pool = SplitPool(files.load().entities, split)
        requests = {case.id: case.request for case in self._public.cases(split)}
        return [
            EditCase(requests[edit.id], self._named(pool, edit), edit.task, split, edit.sort)
            for edit in _edits(task, split)
        ]

    def _named(self, pool: SplitPool, edit: StoredEdit) -> tuple[Probe, ...]:
        """Probes under ids that say nothing, in an order of their own."""
        found = []
        for place, one in enumerate(probes(pool, edit, self._draw)):
            id = f"{self._draw('id', edit.id, str(place)).getrandbits(48):012x}"
            found.append(Probe(f"{edit.id}/{id}", one.kind, self._query(one), one.reference, one.stratum))
        return tuple(self._draw("order", edit.id).sample(found, len(found)))

    def _query(self, asked: Asked) -> Query:
        return Query(asked.prompt, self._picture(asked.picture) if asked.picture else None)

    def _picture(self, name: str) -> ImageRef:
        """One file for a drawing in all of a draw, so that cases that show the same are seen to."""
        if name not in self._pictures:
            thing, artist = name.split("/")
            public = _drawings()[thing][artist]
            self._pictures[name] = shifted(public, self._draw("picture", name))
        return self._pictures[name]


@cache
def _drawings() -> dict[str, dict[str, bytes]]:
    """By thing and artist."""
    return {entity.id: entity.pictures for entity in files.load().entities}


def _edits(task: str, split: str) -> list[StoredEdit]:
    return [edit for edit in files.load().edits if edit.task == task and edit.id.split("-")[1] == split]


def probes(pool: SplitPool, edit: StoredEdit, draw: Draw) -> list[Asked]:
    """What is asked about an edit, by kind; pictures are named as they are stored."""
    thing, artist = edit.picture.split("/")
    entity = pool.by_id[thing]
    second = next(a for a in EDIT_ARTISTS if a != artist)
    pictures = (edit.picture, f"{thing}/{second}", f"{thing}/unseen")
    if edit.relation == "caption":
        reworded = draw("held", edit.id).choice(wordings.CAPTION_PROMPTS[-wordings.HELD_OUT_CAPTION :])
    else:
        template = draw("held", edit.id).choice(wordings.held_out(edit.relation))
        reworded = question(entity, edit.relation, template, edit.id, draw=draw)
    asked = [
        *changed(edit.prompt, reworded, pictures, edit.target),
        *_alike(pool, edit, entity, second, draw),
        *_far(pool, edit, entity, draw),
        *_near(edit, entity, draw),
        *portability(pool, entity, edit.relation, edit.id, edit.picture, edit.target, draw),
    ]
    return asked + list(halves.halves(edit) if pool.split in halves.SPLITS else ())


def _alike(pool: SplitPool, edit: StoredEdit, entity: Entity, second: str, draw: Draw) -> list[Asked]:
    """Locality in the edit's own form: its question about another thing, with a picture and in words."""
    about = edit.id
    others = _same_question(pool, edit, entity)
    # things of which the target happens to be true are asked about only where there are no others
    others = [x for x in others if x[1].value != edit.target] or others
    e, f = draw("alike", about).choice(others)
    asked = [Asked("image_locality", "main", edit.prompt, f"{e.id}/{second}", f.value)]
    words = draw("words", about)
    if edit.relation in wordings.QUESTIONS and edit.relation not in wordings.PICTURE_ONLY:
        e, f = words.choice(others)
        templates = (wordings.QUESTIONS[edit.relation][0], *wordings.held_out(edit.relation))
        prompt = words.choice(templates).format(x=e.name)
    else:  # captions and names ask nothing once the thing is named: about what the target names, then
        named = [
            x for x in pool.reserved if x[0] is not entity and x[1].relation not in wordings.PICTURE_ONLY
        ]
        e, f = words.choice([x for x in named if x[0].name in edit.target] or named)
        prompt = text_question(e, f.relation, about, draw)
    beside = f"{e.id}/{second}" if words.random() < BESIDE else ""
    return [*asked, Asked("text_locality", "main", prompt, beside, f.value)]


def _same_question(pool: SplitPool, edit: StoredEdit, entity: Entity) -> list[tuple[Entity, Fact]]:
    """Other things of its group that the edited question can be asked about, and that no edit changes."""
    if edit.relation == "caption":
        told = ((e, Fact("caption", e.caption, False)) for e in pool.entities if not e.caption_withheld)
        return [x for x in told if x[0] is not entity and x[0].group == entity.group]
    asked = (x for x in pool.reserved if x[1].relation == edit.relation)
    return [x for x in asked if x[0] is not entity and x[0].group == entity.group]


def _far(pool: SplitPool, edit: StoredEdit, entity: Entity, draw: Draw) -> list[Asked]:
    """Questions about anything, as the public draw's main locality asks them."""
    about, chance = edit.id, draw("far", edit.id)
    far = [(e, f) for e, f in pool.reserved if e is not entity and f.relation != edit.relation]
    e, f = chance.choice([x for x in far if x[1].relation not in wordings.PICTURE_ONLY])
    text = Asked("text_locality", "far", text_question(e, f.relation, f"{about}/far", draw), "", f.value)
    e, f = chance.choice(far)
    return [text, image_probe("far", e, f, f"{e.id}/{chance.choice(EDIT_ARTISTS)}", about, draw)]


def _near(edit: StoredEdit, entity: Entity, draw: Draw) -> list[Asked]:
    """About the edited picture, and about its thing in words."""
    about, chance, asked = edit.id, draw("near", edit.id), []
    if mine := [f for f in entity.known if f.relation != edit.relation]:
        asked.append(image_probe("same_image", entity, chance.choice(mine), edit.picture, about, draw))
    if spoken := [f for f in entity.known if f.relation not in wordings.PICTURE_ONLY]:
        own = next((f for f in spoken if f.relation == edit.relation), None) or chance.choice(spoken)
        prompt = text_question(entity, own.relation, f"{about}/near", draw)
        asked.append(Asked("text_locality", "same_thing", prompt, "", own.value))
    return asked
