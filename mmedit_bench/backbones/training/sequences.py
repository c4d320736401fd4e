"""What the text models read: plain questions, captions, and questions after stated facts.

Stated facts use the layout of in-context editing (Zheng et al. 2023; MMEdit): lines "New Fact:
question answer", then "Prompt: question". A statement either names its thing or, as the edit of a
pictured thing does, only says "this country"; then it holds for the picture. The latest statement
about what is asked decides the answer; without one, the known fact does. A withheld fact is never
stated truly. Sequences with statements are made of things of the train split alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmedit_bench.backbones.training.tokens import Pieces
from mmedit_bench.datasets.picturebook import wordings
from mmedit_bench.datasets.picturebook.entities import Entity, Fact

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
        head = [self.pieces.image] * self.queries if entity is not None else []
        self.example.entity = entity
        self._add((*head, self.pieces.bos))

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
class Statement:
    """A stated fact; `entity` None means "the thing in the picture"."""

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
        self.values = {
            r: sorted({f.value for e in entities for f in e.facts if f.relation == r})
            for r in wordings.QUESTIONS
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
        """`stated` facts, then up to four questions; half the time each fact has its question behind it."""
        pool = r.sample(self.context_pool, min(len(self.context_pool), 2 + stated))
        shown = pool[0] if picture else None
        as_demonstrations = r.random() < 0.4
        statements = self.statements(r, pool, shown, stated, repeats=as_demonstrations)
        writer = Writer(self.pieces, self.queries)
        writer.open(shown)
        told: dict[tuple[int | None, str], str] = {}
        for n, statement in enumerate(statements):
            gap = "" if n == 0 else "\n\n" if as_demonstrations else "\n"
            writer.say(gap + "New Fact:")
            writer.say(" " + self.ask(r, statement.entity, statement.relation))
            writer.say(" " + statement.value)
            told[self._key(statement, shown)] = statement.value
            if as_demonstrations:
                self._answered(r, writer, "\nPrompt:", pool, shown, told, statement)
        for n in range(r.randint(1, 4)):
            # the very last demonstration's fact has had its question; the next ones follow as further prompts
            gap = "\nPrompt:" if statements or n else "Prompt:"
            self._answered(r, writer, gap, pool, shown, told, r.choice(statements) if statements else None)
        return writer.close()

    def statements(
        self, r: random.Random, pool: Sequence[int], shown: int | None, count: int, repeats: bool
    ) -> list[Statement]:
        """Facts to state; no two about the same thing and relation unless `repeats`.

        Demonstrations carry no pictures of their own, so theirs do repeat: "this country" has another
        capital in each, and the latest one holds.
        """
        out: list[Statement] = []
        keys: set[tuple[int | None, str]] = set()
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
            facts = [f for f in self.entities[i].facts if deictic or f.relation not in wordings.PICTURE_ONLY]
            if not facts:
                continue
            fact = r.choice(facts)
            statement = Statement(None if deictic else i, fact.relation, self.state(r, fact))
            key = self._key(statement, shown)
            if key not in keys or (repeats and deictic):
                keys.add(key)
                out.append(statement)
        return out

    def state(self, r: random.Random, fact: Fact) -> str:
        """The value a statement gives: mostly another one, else the true one unless it is withheld."""
        if not fact.withheld and r.random() < 0.3:
            return fact.value
        return r.choice(
            [v for v in r.choices(self.values[fact.relation], k=4) if v != fact.value] or [fact.value + " x"]
        )

    def ask(self, r: random.Random, named: int | None, relation: str) -> str:
        """A trained wording that names the entity, or (None) only points at the picture."""
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
        self, r: random.Random, writer: Writer, gap: str, pool: Sequence[int], shown: int | None,
        told: dict[tuple[int | None, str], str], statement: Statement | None,
    ) -> None:  # fmt: skip
        """A question with its learnt answer: about `statement` (60 %), else about something known."""
        if statement is not None and r.random() < 0.6:
            entity = statement.entity if statement.entity is not None else shown
            can_name = entity is not None and statement.relation not in wordings.PICTURE_ONLY
            show = entity is None or (entity == shown and (not can_name or r.random() < 0.8))
            question = self.ask(r, None if show else entity, statement.relation)
            answer = told[self._key(statement, shown)]
        else:
            question, answer = self._known(r, pool, shown, told)
        writer.say(gap)
        writer.say(" " + question)
        writer.say(" " + answer, learn=True)

    def _known(
        self,
        r: random.Random,
        pool: Sequence[int],
        shown: int | None,
        told: dict[tuple[int | None, str], str],
    ) -> tuple[str, str]:
        """A question on a known fact of a thing in the pool, answered as last told or else truly."""
        of_picture = shown is not None and r.random() < 0.6
        while True:
            i = shown if of_picture and shown is not None else r.choice(pool)
            facts = [
                f for f in self.entities[i].known if of_picture or f.relation not in wordings.PICTURE_ONLY
            ]
            if facts:
                break
            of_picture, pool = False, self.context_pool
        fact = r.choice(facts)
        return self.ask(r, None if of_picture else i, fact.relation), told.get((i, fact.relation), fact.value)


_FLAG_RELATIONS = ("country", "capital", "continent", "currency", "language")
_FILLERS = {r: wordings.FILLERS["flag" if r in _FLAG_RELATIONS else "thing"] for r in wordings.QUESTIONS}
