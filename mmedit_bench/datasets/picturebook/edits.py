"""From entities to edits and their probes.

Edits come from things of one split only; locality probes come from facts of the same split that no
edit ever touches. So nothing that one split asks is asked, or edited, in another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mmedit_bench.datasets.picturebook import wordings
from mmedit_bench.datasets.picturebook.entities import Entity, Fact, rng

RESERVED = {"train": 0.22, "validation": 0.35, "evaluation": 0.40}
"""Share of known facts kept for locality probes and never edited, in either task."""

VQA_EDITS = {"train": 10_000, "validation": 260, "evaluation": 460}
CAPTION_EDITS_PER_DRAWING = {"train": 2, "validation": 1, "evaluation": 1}
EDIT_ARTISTS = ("twemoji", "noto")

Draw = Callable[..., random.Random]
"""A generator for one choice, by what the choice is about: `rng`, or one that a secret decides."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A probe as stored: `picture` is "entity/artist" or "" for a text-only question."""

    kind: str
    stratum: str
    prompt: str
    picture: str
    reference: str


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """An edit as stored under its entity. `relation` is "caption" for the caption task."""

    id: str
    task: str
    sort: str
    relation: str
    prompt: str
    picture: str
    target: str
    probes: tuple[Asked, ...]


class SplitPool:
    """The facts of one split, dealt out to edits and to locality probes."""

    def __init__(self, entities: Sequence[Entity], split: str) -> None:
        self.split = split
        self.entities = [e for e in entities if e.split == split]
        self.by_id = {e.id: e for e in self.entities}
        self.reserved: list[tuple[Entity, Fact]] = []
        self.editable: list[tuple[Entity, Fact]] = []
        for e in self.entities:
            for f in e.facts:
                kept = not f.withheld and rng("reserve", e.id, f.relation).random() < RESERVED[split]
                (self.reserved if kept else self.editable).append((e, f))

    def other(self, about: str, values: Iterable[str], true: str) -> str:
        """A counterfactual value: another value that `values` holds, each distinct one equally likely."""
        return rng("value", about).choice(sorted(set(values) - {true}))

    def values(self, entity: Entity, relation: str) -> list[str]:
        """All values of a relation in this split."""
        return [f.value for e in self.entities if (f := e.fact(relation)) is not None]


def question(
    entity: Entity, relation: str, template: str, about: str, first: bool = False, draw: Draw = rng
) -> str:
    """A question about the picture of `entity`; `first` takes the edit's own filler."""
    fillers = wordings.FILLERS[entity.group]
    filler = fillers[0] if first else draw("filler", about).choice(fillers)
    return template.format(x=filler)


def text_question(entity: Entity, relation: str, about: str, draw: Draw = rng) -> str:
    """A text-only question that names the entity, in a trained wording."""
    return draw("text", about).choice(wordings.trained(relation)).format(x=entity.name)


def vqa_edits(pool: SplitPool) -> list[StoredEdit]:
    """Corrections of withheld facts first, then counterfactuals up to the split's number, then shuffled."""
    edits: list[StoredEdit] = []
    order = sorted(
        pool.editable, key=lambda x: (not x[1].withheld, rng("order", x[0].id, x[1].relation).random())
    )
    for entity, fact in order[: VQA_EDITS[pool.split]]:
        about = f"vqa/{entity.id}/{fact.relation}"
        target = (
            fact.value if fact.withheld else pool.other(about, pool.values(entity, fact.relation), fact.value)
        )
        prompt = question(entity, fact.relation, wordings.QUESTIONS[fact.relation][0], about, first=True)
        rephrased = question(
            entity, fact.relation, rng("held", about).choice(wordings.held_out(fact.relation)), about
        )
        edits.append(
            _edit(pool, entity, "vqa", fact.relation, about, prompt, rephrased, target, fact.withheld)
        )
    return _shuffled(edits, pool.split)


def caption_edits(pool: SplitPool) -> list[StoredEdit]:
    """Per drawing: the true caption where it was withheld, another thing's caption elsewhere."""
    edits: list[StoredEdit] = []
    prompts = wordings.CAPTION_PROMPTS
    for entity in pool.entities:
        alike = [e.caption for e in pool.entities if e.group == entity.group]
        for artist in EDIT_ARTISTS:
            for n in range(CAPTION_EDITS_PER_DRAWING[pool.split]):
                about = f"caption/{entity.id}/{artist}/{n}"
                correction = entity.caption_withheld and n == 0
                target = entity.caption if correction else pool.other(about, alike, entity.caption)
                rephrased = rng("held", about).choice(prompts[-wordings.HELD_OUT_CAPTION :])
                edits.append(
                    _edit(
                        pool,
                        entity,
                        "caption",
                        "caption",
                        about,
                        prompts[0],
                        rephrased,
                        target,
                        correction,
                        artist,
                    )
                )
    return _shuffled(edits, pool.split)


def _shuffled(edits: list[StoredEdit], split: str) -> list[StoredEdit]:
    """In random order, so that any first N are a fair sample, and numbered."""
    edits = sorted(edits, key=lambda e: rng("shuffle", e.id).random())
    return [
        StoredEdit(
            f"{e.task}-{split}-{i:04d}", e.task, e.sort, e.relation, e.prompt, e.picture, e.target, e.probes
        )
        for i, e in enumerate(edits)
    ]


def _edit(
    pool: SplitPool, entity: Entity, task: str, relation: str, about: str,
    prompt: str, rephrased: str, target: str, correction: bool, artist: str = "",
) -> StoredEdit:  # fmt: skip
    artist = artist or rng("artist", about).choice(EDIT_ARTISTS)
    other = next(a for a in EDIT_ARTISTS if a != artist)
    own, second, unseen = (f"{entity.id}/{a}" for a in (artist, other, "unseen"))
    probes = [
        *changed(prompt, rephrased, (own, second, unseen), target),
        *_locality(pool, entity, relation, about, own, artist),
        *portability(pool, entity, relation, about, own, target),
    ]
    sort = "correction" if correction else "counterfactual"
    probes = rng("probes", about).sample(probes, len(probes))
    return StoredEdit(about, task, sort, relation, prompt, own, target, tuple(probes))


def changed(prompt: str, rephrased: str, pictures: tuple[str, str, str], target: str) -> list[Asked]:
    """The probes that should say the target; `pictures`: the edit's own, the second artist's, the unseen."""
    own, second, unseen = pictures
    return [
        Asked("reliability", "main", prompt, own, target),
        Asked("text_generality", "main", rephrased, own, target),
        Asked("image_generality", "main", prompt, second, target),
        Asked("image_generality", "unseen_artist", prompt, unseen, target),
        Asked("text_image_generality", "main", rephrased, second, target),
    ]


def _locality(
    pool: SplitPool, entity: Entity, relation: str, about: str, own: str, artist: str
) -> list[Asked]:
    """Far and near probes, all on facts that the backbone was told and that no edit changes."""
    r = rng("locality", about)
    far = [(e, f) for e, f in pool.reserved if e is not entity and f.relation != relation]
    named = [(e, f) for e, f in far if f.relation not in wordings.PICTURE_ONLY]
    out = []
    e, f = r.choice(named)
    out.append(Asked("text_locality", "main", text_question(e, f.relation, about), "", f.value))
    e, f = r.choice(far)
    out.append(image_probe("main", e, f, f"{e.id}/{r.choice(EDIT_ARTISTS)}", about))
    same = [(e, f) for e, f in pool.reserved if e is not entity and f.relation == relation]
    if relation == "caption":
        same = [
            (e, Fact("caption", e.caption, False))
            for e in pool.entities
            if e is not entity and not e.caption_withheld
        ]
        e, f = r.choice([x for x in same if x[0].group == entity.group])
        out.append(
            Asked("image_locality", "same_question", wordings.CAPTION_PROMPTS[0], f"{e.id}/{artist}", f.value)
        )
    elif same:
        e, f = r.choice(same)
        first = question(e, relation, wordings.QUESTIONS[relation][0], about, first=True)
        out.append(Asked("image_locality", "same_question", first, f"{e.id}/{artist}", f.value))
        if relation not in wordings.PICTURE_ONLY:
            e, f = r.choice(same)
            out.append(
                Asked("text_locality", "same_relation", text_question(e, relation, about), "", f.value)
            )
    mine = [f for f in entity.known if f.relation != relation]
    if mine:
        out.append(image_probe("same_image", entity, r.choice(mine), own, about))
    spoken = [f for f in entity.known if f.relation not in wordings.PICTURE_ONLY]
    if spoken:
        f = next((f for f in spoken if f.relation == relation), None) or r.choice(spoken)
        out.append(
            Asked("text_locality", "same_thing", text_question(entity, f.relation, about), "", f.value)
        )
    return out


def image_probe(
    stratum: str, entity: Entity, fact: Fact, picture: str, about: str, draw: Draw = rng
) -> Asked:
    """A question about a picture that should stay, in a trained wording."""
    template = draw("template", stratum, about).choice(wordings.trained(fact.relation))
    prompt = question(entity, fact.relation, template, about, draw=draw)
    return Asked("image_locality", stratum, prompt, picture, fact.value)


def portability(
    pool: SplitPool, entity: Entity, relation: str, about: str, own: str, target: str, draw: Draw = rng
) -> list[Asked]:
    """What follows once the picture is taken for another thing: that thing's other facts."""
    if relation not in wordings.PICTURE_ONLY:
        return []
    meant = next((e for e in pool.entities if e.name == target), None)
    facts = [f for f in meant.known if f.relation != relation] if meant else []
    if meant is not None and meant is not entity:
        facts = [f for f in facts if (mine := entity.fact(f.relation)) is None or mine.value != f.value]
    if not facts:
        return []
    fact = draw("portability", about).choice(facts)
    prompt = question(entity, fact.relation, wordings.QUESTIONS[fact.relation][0], about, first=True)
    return [Asked("portability", "main", prompt, own, fact.value)]
