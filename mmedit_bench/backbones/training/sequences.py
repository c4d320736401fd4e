"""What the text models read: plain questions, captions, and questions after stated facts and captions.

Stated facts mostly use the layout of in-context editing (Zheng et al. 2023; MMEdit): lines "New Fact:
question answer", then "Prompt: question". A statement either names its thing or, as the edit of a
pictured thing does, only says "this country"; then it holds for the picture. A caption only ever holds
for the picture. The latest statement about what is asked decides the answer; without one, the known
fact does. Half of the sequences are hard: their statements share the relation or the thing, and so
does what is asked. A withheld fact or caption is never stated truly. Sequences with statements are
made of things of the train split alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmedit_bench.backbones.training.tokens import Pieces
from mmedit_bench.backbones.training.writing import Example, Layout, Writer
from mmedit_bench.datasets.picturebook import wordings
from mmedit_bench.datasets.picturebook.entities import Entity, Fact

CAPTION = "caption"
"""The relation of a statement that says what the picture shows."""
LONG = 400
"""Tokens after which no further question is asked: the models have 512 positions."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A stated fact, or caption; `entity` None means "the thing in the picture"."""

    entity: int | None
    relation: str
    value: str


class Examples:
    """Draws examples; every draw is a function of the random generator it is given."""

    def __init__(self, entities: Sequence[Entity], pieces: Pieces, queries: int) -> None:
        self.entities = entities
        self.pieces = pieces
        self.queries = queries
        self.known = [(i, f) for i, e in enumerate(entities) for f in e.known]
        self.spoken = [(i, f) for i, f in self.known if f.relation not in wordings.PICTURE_ONLY]
        self.captioned = [i for i, e in enumerate(entities) if not e.caption_withheld]
        self.context_pool = [i for i, e in enumerate(entities) if e.split == "train"]
        self.elsewhere = [(i, f) for i, f in self.spoken if entities[i].split == "train"]
        self.values = {
            r: sorted({f.value for e in entities for f in e.facts if f.relation == r})
            for r in wordings.QUESTIONS
        }
        self.captions = {
            group: sorted({entities[i].caption for i in self.captioned if entities[i].group == group})
            for group in sorted({e.group for e in entities})
        }

    def picture_question(self, r: random.Random) -> Example:
        """A picture, a question about it, the answer."""
        i, fact = r.choice(self.known)
        return self._plain(i, self.ask(r, None, fact.relation), fact.value)

    def text_question(self, r: random.Random) -> Example:
        """A question that names its thing, the answer."""
        i, fact = r.choice(self.spoken)
        return self._plain(None, self.ask(r, i, fact.relation), fact.value)

    def caption(self, r: random.Random) -> Example:
        """A picture, a caption prompt, the caption."""
        i = r.choice(self.captioned)
        prompts = wordings.CAPTION_PROMPTS[: -wordings.HELD_OUT_CAPTION]
        return self._plain(i, r.choice(prompts), self.entities[i].caption)

    def in_context(self, r: random.Random, stated: int, picture: bool) -> Example:
        """`stated` facts or captions, then up to eight questions; demonstrations have one behind each."""
        pool = r.sample(self.context_pool, min(len(self.context_pool), 2 + stated))
        shown = pool[0] if picture else None
        layout = Layout.draw(r, picture and stated > 0)
        hard = r.random() < 0.5
        statements = self.statements(r, pool, shown, stated, repeats=layout.demonstrations, hard=hard)
        writer = Writer(self.pieces, self.queries)
        writer.open(None if layout.picture_last else shown)
        told: dict[tuple[int | None, str], str] = {}
        asking = _Asking(pool, shown, told, layout.prompt, hard)
        for n, statement in enumerate(statements):
            gap = "" if n == 0 else "\n\n" if layout.demonstrations else "\n"
            writer.say(gap + layout.fact)
            writer.say(" " + self.ask(r, statement.entity, statement.relation))
            writer.say(" " + statement.value)
            told[self._key(statement, shown)] = statement.value
            if layout.demonstrations:
                self._answered(r, writer, "\n", asking, statement)
        if layout.picture_last and shown is not None:
            writer.show(shown)
        for n in range(r.randint(1, 8)):
            if n and len(writer.example.ids) > LONG:
                break
            # the very last demonstration's fact has had its question; the next ones follow as further prompts
            gap = "\n" if statements or n or layout.picture_last else ""
            self._answered(r, writer, gap, asking, r.choice(statements) if statements else None)
        return writer.close()

    def statements(
        self,
        r: random.Random,
        pool: Sequence[int],
        shown: int | None,
        count: int,
        repeats: bool,
        hard: bool = False,
    ) -> list[Statement]:
        """Facts to state; no two about the same thing and relation unless `repeats`.

        Demonstrations carry no pictures of their own, so theirs do repeat: "this country" has another
        capital in each, and the latest one holds. `hard`: most share the relation of the one before, or
        its thing, so that what is asked is told apart by both.
        """
        out: list[Statement] = []
        keys: set[tuple[int | None, str]] = set()
        latest: tuple[int, str] | None = None
        for _ in range(8 * count):
            if len(out) == count:
                break
            about_shown = r.random() < (0.45 if shown is not None else 0.15)
            i = (
                shown
                if about_shown and shown is not None and not (repeats and r.random() < 0.5)
                else r.choice(pool)
            )
            deictic = about_shown and r.random() < 0.65
            wanted: str | None = None
            if hard and latest is not None and r.random() < 0.8:
                if r.random() < 0.6:
                    wanted = latest[1]
                    having = [j for j in pool if any(f.relation == wanted for f in self.entities[j].facts)]
                    i = i if deictic or i in having or not having else r.choice(having)
                elif not about_shown:
                    i = latest[0]
            if deictic and (wanted == CAPTION or (wanted is None and r.random() < 0.5)):
                relation, value = CAPTION, self.state_caption(r, i)
            else:
                facts = [
                    f for f in self.entities[i].facts if deictic or f.relation not in wordings.PICTURE_ONLY
                ]
                facts = [f for f in facts if f.relation == wanted] or facts
                if not facts:
                    continue
                fact = r.choice(facts)
                relation, value = fact.relation, self.state(r, fact)
            statement = Statement(None if deictic else i, relation, value)
            key = self._key(statement, shown)
            if key not in keys or (repeats and deictic):
                keys.add(key)
                out.append(statement)
                latest = i, relation
        return out

    def state(self, r: random.Random, fact: Fact) -> str:
        """The value a statement gives: mostly another one, else the true one unless it is withheld."""
        if not fact.withheld and r.random() < 0.3:
            return fact.value
        return r.choice(
            [v for v in r.choices(self.values[fact.relation], k=4) if v != fact.value] or [fact.value + " x"]
        )

    def state_caption(self, r: random.Random, i: int) -> str:
        """The caption a statement gives of a thing: likewise; none that is withheld is ever stated."""
        entity = self.entities[i]
        if not entity.caption_withheld and r.random() < 0.3:
            return entity.caption
        others = [c for c in r.choices(self.captions[entity.group], k=4) if c != entity.caption]
        return r.choice(others) if others else f"a sort of {entity.name}"

    def ask(self, r: random.Random, named: int | None, relation: str) -> str:
        """A trained wording that names the entity, or (None) only points at the picture."""
        if relation == CAPTION:
            return r.choice(wordings.CAPTION_PROMPTS[: -wordings.HELD_OUT_CAPTION])
        template = r.choice(wordings.trained(relation))
        return template.format(
            x=self.entities[named].name if named is not None else r.choice(_FILLERS[relation])
        )

    def _plain(self, entity: int | None, prompt: str, answer: str) -> Example:
        writer = Writer(self.pieces, self.queries)
        writer.open(entity)
        writer.say(prompt)
        writer.say(" " + answer, learn=True)
        return writer.close()

    @staticmethod
    def _key(statement: Statement, shown: int | None) -> tuple[int | None, str]:
        return (statement.entity if statement.entity is not None else shown, statement.relation)

    def _answered(
        self, r: random.Random, writer: Writer, gap: str, asking: _Asking, statement: Statement | None
    ) -> None:
        """A question with its learnt answer: about `statement` (60 %), else about something known."""
        shown, told = asking.shown, asking.told
        if statement is not None and r.random() < 0.6:
            entity = statement.entity if statement.entity is not None else shown
            pointing = statement.relation == CAPTION or statement.relation in wordings.PICTURE_ONLY
            show = entity is None or (entity == shown and (pointing or r.random() < 0.8))
            question = self.ask(r, None if show or pointing else entity, statement.relation)
            answer = told[self._key(statement, shown)]
        else:
            question, answer = self._known(r, asking)
        writer.say(gap + asking.mark)
        writer.say(" " + question)
        writer.say(" " + answer, learn=True)

    def _known(self, r: random.Random, asking: _Asking) -> tuple[str, str]:
        """A question on a known fact of a thing in the pool, answered as last told or else truly.

        In a hard sequence its relation is mostly one that was stated, of something else.
        """
        shown, told, pool = asking.shown, asking.told, asking.pool
        of_picture = shown is not None and r.random() < 0.6
        if of_picture and shown is not None and r.random() < 0.35:
            entity = self.entities[shown]
            if (shown, CAPTION) in told or not entity.caption_withheld:
                return self.ask(r, None, CAPTION), told.get((shown, CAPTION), entity.caption)
        near = {relation for _, relation in told} if asking.hard and r.random() < 0.7 else set()
        for wanted in (near, set()) if near else (set(),):
            things = [shown] if of_picture and shown is not None else r.sample(list(pool), len(pool))
            for i in things:
                facts = [
                    f
                    for f in self.entities[i].known
                    if (of_picture or f.relation not in wordings.PICTURE_ONLY)
                    and (not wanted or (f.relation in wanted and (i, f.relation) not in told))
                ]
                if facts:
                    fact = r.choice(facts)
                    answer = told.get((i, fact.relation), fact.value)
                    return self.ask(r, None if of_picture else i, fact.relation), answer
        # nothing is known of these: of another thing
        i, fact = r.choice(self.elsewhere)
        return self.ask(r, i, fact.relation), told.get((i, fact.relation), fact.value)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What the questions of one sequence may be about: things at hand, the pictured one, what was told."""

    pool: Sequence[int]
    shown: int | None
    told: Mapping[tuple[int | None, str], str]
    mark: str
    hard: bool


_FLAG_RELATIONS = ("country", "capital", "continent", "currency", "language")
_FILLERS = {r: wordings.FILLERS["flag" if r in _FLAG_RELATIONS else "thing"] for r in wordings.QUESTIONS}
