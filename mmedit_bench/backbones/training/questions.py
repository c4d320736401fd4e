"""The questions a finished backbone is examined with."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from mmedit_bench.cases import ImageRef, Query
from mmedit_bench.datasets.picturebook import wordings
from mmedit_bench.datasets.picturebook.entities import ARTISTS, Entity, Fact


@dataclass(frozen=True, slots=True)
class Question:
    """A query and its right answer."""

    query: Query
    answer: str


def picture(entity: Entity, artist: str) -> ImageRef:
    """The drawing of an entity by an artist."""
    data = entity.pictures[artist]
    return ImageRef(hashlib.sha256(data).hexdigest(), lambda: data)


def plain_questions(entities: Sequence[Entity]) -> dict[str, list[Question]]:
    """Rows of plain questions, by what is known, by wording and by artist."""
    r = random.Random("plain questions")
    rows: dict[str, list[Question]] = {}
    for artist in ARTISTS:
        for label, first, choices in (
            ("edit wording", True, wordings.trained),
            ("other trained wordings", False, wordings.trained),
            ("held-out wordings", False, wordings.held_out),
        ):
            rows[f"known facts, {label}, {artist}"] = [
                Question(Query(pointed(r, e, f, choices(f.relation), first), picture(e, artist)), f.value)
                for e in entities
                for f in e.known
            ]
    for label, choices in (("trained wordings", wordings.trained), ("held-out wordings", wordings.held_out)):
        rows[f"known facts by name, no picture, {label}"] = [
            Question(Query(named(r, e, f, choices(f.relation))), f.value)
            for e in entities
            for f in e.known
            if f.relation not in wordings.PICTURE_ONLY
        ]
    rows["withheld facts, edit wording, twemoji"] = [
        Question(Query(pointed(r, e, f, wordings.trained(f.relation), True), picture(e, "twemoji")), f.value)
        for e in entities
        for f in e.facts
        if f.withheld
    ]
    cut = len(wordings.CAPTION_PROMPTS) - wordings.HELD_OUT_CAPTION
    for label, prompts in (
        ("edit prompt", wordings.CAPTION_PROMPTS[:1]),
        ("held-out prompts", wordings.CAPTION_PROMPTS[cut:]),
    ):
        for artist in ARTISTS:
            rows[f"captions, {label}, {artist}"] = [
                Question(Query(r.choice(prompts), picture(e, artist)), e.caption)
                for e in entities
                if not e.caption_withheld
            ]
    return rows


def pointed(
    r: random.Random, entity: Entity, fact: Fact, templates: Sequence[str], first: bool = False
) -> str:
    """A question that points at the picture; `first`: in the edit's own wording."""
    fillers = wordings.FILLERS[entity.group]
    return (templates[0] if first else r.choice(templates)).format(
        x=fillers[0] if first else r.choice(fillers)
    )


def named(r: random.Random, entity: Entity, fact: Fact, templates: Sequence[str]) -> str:
    """A question that names the thing."""
    return r.choice(templates).format(x=entity.name)


def context_questions(entities: Sequence[Entity], stated: int, count: int) -> dict[str, list[Question]]:
    """`count` questions a row after `stated` counterfactual facts, on things never seen in a context.

    "followed": one of the facts is asked for, in another wording. "ignored": a known fact is asked for
    that no statement touches. With a picture, the fact asked for is stated of "this country" or the
    like, in one row by name, and the other statements name other things.
    """
    held = [e for e in entities if e.split != "train"]
    r = random.Random(f"context {stated}")
    values: dict[str, list[str]] = {}
    for e in entities:
        for f in e.facts:
            values.setdefault(f.relation, []).append(f.value)

    def another(fact: Fact) -> str:
        return r.choice(sorted(set(values[fact.relation]) - {fact.value}))

    def statements(subjects: Sequence[Entity]) -> list[tuple[Entity, Fact, str]]:
        out = []
        for e in subjects:
            spoken = [f for f in e.facts if f.relation not in wordings.PICTURE_ONLY]
            fact = r.choice(spoken)
            out.append((e, fact, another(fact)))
        return out

    def text(lines: Sequence[str], question: str) -> str:
        return "".join(f"New Fact: {line}\n" for line in lines) + f"Prompt: {question}"

    rows: dict[str, list[Question]] = {}

    def add(row: str, query: Query, answer: str) -> None:
        rows.setdefault(f"{stated} stated: {row}", []).append(Question(query, answer))

    for _ in range(count):
        told = statements(r.sample(held, stated))
        by_name = [f"{named(r, e, f, wordings.trained(f.relation))} {v}" for e, f, v in told]
        e, f, v = r.choice(told)
        add("followed, no picture", Query(text(by_name, named(r, e, f, wordings.trained(f.relation)))), v)
        seen = picture(e, r.choice(ARTISTS[:2]))
        asked = pointed(r, e, f, wordings.trained(f.relation))
        add("followed, picture, stated by name", Query(text(by_name, asked), seen), v)
        pointing = [
            f"{pointed(r, e, f, wordings.trained(f.relation))} {v}" if x is e else line
            for (x, _, _), line in zip(told, by_name, strict=True)
        ]
        add("followed, picture", Query(text(pointing, asked), seen), v)
        subjects = {x.id for x, _, _ in told}
        other = r.choice([x for x in held if x.id not in subjects and any(_spoken(x))])
        fact = r.choice(_spoken(other))
        add(
            "ignored, no picture",
            Query(text(by_name, named(r, other, fact, wordings.trained(fact.relation)))),
            fact.value,
        )
        fact = r.choice(other.known)
        asked = pointed(r, other, fact, wordings.trained(fact.relation))
        add(
            "ignored, picture", Query(text(by_name, asked), picture(other, r.choice(ARTISTS[:2]))), fact.value
        )
        mine = [
            f for f in e.known if f.relation != told[[x is e for x, _, _ in told].index(True)][1].relation
        ]
        if mine:
            fact = r.choice(mine)
            asked = pointed(r, e, fact, wordings.trained(fact.relation))
            add(
                "ignored, picture, another relation stated of it",
                Query(text(pointing, asked), seen),
                fact.value,
            )
    return rows


def caption_questions(entities: Sequence[Entity], stated: int, count: int) -> dict[str, list[Question]]:
    """`count` questions a row after `stated` statements, of which one gives the picture another caption.

    "followed": the caption is asked for, in another prompt. "ignored": a known fact of the pictured
    thing is asked for. The other statements are facts of other things.
    """
    held = [e for e in entities if e.split != "train"]
    r = random.Random(f"captions {stated}")
    captions = {g: sorted({e.caption for e in entities if e.group == g}) for g in {e.group for e in entities}}
    values: dict[str, list[str]] = {}
    for e in entities:
        for f in e.facts:
            values.setdefault(f.relation, []).append(f.value)
    prompts = wordings.CAPTION_PROMPTS[: -wordings.HELD_OUT_CAPTION]
    followed, ignored = [], []
    for _ in range(count):
        shown, *others = r.sample([e for e in held if _spoken(e)], stated)
        told = r.choice([c for c in captions[shown.group] if c != shown.caption])
        lines = [f"{r.choice(prompts)} {told}"]
        for e in others:
            f = r.choice([f for f in e.facts if f.relation not in wordings.PICTURE_ONLY])
            value = r.choice(sorted(set(values[f.relation]) - {f.value}))
            lines.append(f"{named(r, e, f, wordings.trained(f.relation))} {value}")
        r.shuffle(lines)
        context = "".join(f"New Fact: {line}\n" for line in lines) + "Prompt: "
        seen = picture(shown, r.choice(ARTISTS[:2]))
        followed.append(Question(Query(context + r.choice(prompts), seen), told))
        fact = r.choice(shown.known)
        asked = pointed(r, shown, fact, wordings.trained(fact.relation))
        ignored.append(Question(Query(context + asked, seen), fact.value))
    return {
        f"{stated} stated, one a caption: it is followed": followed,
        f"{stated} stated, one a caption: ignored for a known fact of the picture": ignored,
    }


def _spoken(entity: Entity) -> list[Fact]:
    return [f for f in entity.known if f.relation not in wordings.PICTURE_ONLY]
