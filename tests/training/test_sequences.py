"""What the text models read says only what it may."""

from __future__ import annotations

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from mmedit_bench.backbones.training.questions import context_questions, plain_questions
from mmedit_bench.backbones.training.sequences import CAPTION, Examples, Statement
from mmedit_bench.backbones.training.tokens import Pieces
from mmedit_bench.backbones.training.writing import IGNORED, OTHER_MARKS, Example, Layout
from mmedit_bench.datasets.picturebook import files, wordings
from mmedit_bench.datasets.picturebook.files import Picturebook

DATA = files.load()
SEEN, HELD = ([e for e in DATA.entities if (e.split == "train") == t] for t in (True, False))
FEW = SEEN[::9] + HELD[::20]
FACTS = ("New Fact", *(fact.removesuffix(":") for fact, _ in OTHER_MARKS))
ASKED = ("Prompt", *(prompt.removesuffix(":") for _, prompt in OTHER_MARKS))


def examples(tokenizer: PreTrainedTokenizerFast) -> Examples:
    return Examples(FEW, Pieces(tokenizer), 2)


def text(example: Example, pieces: Pieces) -> str:
    special = {pieces.image, pieces.bos, pieces.eos}
    return pieces.tokenizer.decode([i for i in example.ids if i not in special]).lstrip(" ")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), stated=st.integers(0, 8), picture=st.booleans())
def test_contexts(tokenizer: PreTrainedTokenizerFast, seed: int, stated: int, picture: bool) -> None:
    source = examples(tokenizer)
    pieces = source.pieces
    example = source.in_context(random.Random(seed), stated, picture)
    assert example == source.in_context(random.Random(seed), stated, picture)
    assert len(example.ids) == len(example.labels)
    first = next((place for place, token in enumerate(example.ids) if token == pieces.image), None)
    assert (first is not None) == picture
    assert example.ids.count(pieces.image) == 2 * picture
    if first:  # behind the statements, in front of what is asked of it
        assert stated and example.ids[0] == pieces.bos
        assert pieces.tokenizer.decode(example.ids[first + 2 :]).startswith("\n")
    said = text(example, pieces)
    plain = [i for i in example.ids if i not in (pieces.image, pieces.bos, pieces.eos)]
    assert list(pieces.start(said)) == plain, "put together piece by piece, yet tokenized as a whole"
    assert example.labels[-1] == pieces.eos
    learnt = [i for i, x in zip(example.ids, example.labels, strict=True) if x != IGNORED]
    assert learnt == [x for x in example.labels if x != IGNORED]
    starts = tuple(
        f"{kind}: {template.format(x=name)} "
        for name in {e.name for e in FEW if e.split != "train"} - {e.name for e in FEW if e.split == "train"}
        for templates in wordings.QUESTIONS.values()
        for template in templates
        if "{x}" in template
        for kind in FACTS + ASKED
    )
    assert not any(line.startswith(starts) for line in said.splitlines()), "a held-out thing is asked about"
    if picture:
        assert example.entity is not None
        assert FEW[example.entity].split == "train"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), stated=st.integers(1, 8))
def test_named_questions_are_answered_as_last_told_or_truly(
    tokenizer: PreTrainedTokenizerFast, seed: int, stated: int
) -> None:
    source = examples(tokenizer)
    said = text(source.in_context(random.Random(seed), stated, picture=False), source.pieces)
    told: dict[tuple[str, str], str] = {}
    for kind, line in re.findall(rf"^({'|'.join(FACTS + ASKED)}): (.+)", said, re.M):
        for entity in FEW:
            for fact in entity.facts:
                for template in wordings.trained(fact.relation):
                    asked = template.format(x=entity.name)
                    if fact.relation in wordings.PICTURE_ONLY or not line.startswith(asked + " "):
                        continue
                    value = line[len(asked) + 1 :]
                    key = (entity.name, fact.relation)
                    if kind in FACTS:
                        assert value != fact.value or not fact.withheld, "a withheld fact was stated"
                        told[key] = value
                    elif key in told:
                        assert value == told[key]
                    else:
                        assert value == fact.value
                        assert not fact.withheld


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), stated=st.integers(0, 8), picture=st.booleans())
def test_captions_are_answered_as_last_told_or_truly(
    tokenizer: PreTrainedTokenizerFast, seed: int, stated: int, picture: bool
) -> None:
    source = examples(tokenizer)
    example = source.in_context(random.Random(seed), stated, picture)
    shown = FEW[example.entity] if example.entity is not None else None
    withheld = {e.caption for e in FEW if e.caption_withheld}
    told = None
    for kind, line in re.findall(rf"^({'|'.join(FACTS + ASKED)}): (.+)", text(example, source.pieces), re.M):
        prompts = [p for p in wordings.CAPTION_PROMPTS if line.startswith(p + " ")]
        values = {line[len(p) + 1 :] for p in prompts} & {*CAPTIONS, *(f"a sort of {e.name}" for e in FEW)}
        if not values:
            continue
        (value,) = values
        assert not {line[len(p) + 1 :] for p in prompts} & withheld
        assert any(p in wordings.CAPTION_PROMPTS[: -wordings.HELD_OUT_CAPTION] for p in prompts)
        if kind in FACTS:
            told = value
        else:
            assert value == (told or (shown.caption if shown else None))


CAPTIONS = {e.caption for e in FEW}


def test_contexts_hold_what_they_are_drawn_for(tokenizer: PreTrainedTokenizerFast) -> None:
    """Over many draws: captions are stated and asked for, layouts vary, hard sequences share a relation."""
    source = examples(tokenizer)
    r = random.Random(0)
    drawn = [text(source.in_context(r, 4, True), source.pieces) for _ in range(400)]
    asked = [line for said in drawn for line in said.splitlines() if line.startswith("Prompt:")]
    about_captions = [line for line in asked if any(line.endswith(" " + c) for c in CAPTIONS)]
    assert 0.1 < len(about_captions) / len(asked) < 0.4
    assert all(any(said.startswith(fact) for said in drawn) for fact in FACTS)
    first = [source.in_context(r, 4, True).ids[0] for _ in range(400)]
    assert 0.03 < first.count(source.pieces.bos) / len(first) < 0.2
    layouts = [Layout.draw(r, True) for _ in range(400)]
    assert not any(x.demonstrations and x.picture_last for x in layouts)

    def crowded(hard: bool) -> float:
        shared, drawn = 0, 200
        for _ in range(drawn):
            pool = r.sample(source.context_pool, 6)
            told = source.statements(r, pool, pool[0], 4, repeats=False, hard=hard)
            shared += len({s.relation for s in told}) < len(told)
        return shared / drawn

    assert crowded(hard=True) > crowded(hard=False) + 0.15


def test_no_statement_tells_a_withheld_caption(tokenizer: PreTrainedTokenizerFast) -> None:
    source = examples(tokenizer)
    r = random.Random(1)
    withheld = {e.caption for e in FEW if e.caption_withheld}
    assert withheld
    told: list[Statement] = []
    for _ in range(300):
        pool = r.sample(source.context_pool, 4)
        told += source.statements(r, pool, pool[0], 3, repeats=True, hard=True)
    said = [s for s in told if s.relation == CAPTION]
    assert len(said) > 50 and all(s.entity is None for s in said)
    assert not {s.value for s in said} & withheld


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_plain_examples_tell_no_withheld_fact(tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    source = examples(tokenizer)
    r = random.Random(seed)
    for example in (source.picture_question(r), source.text_question(r), source.caption(r)):
        said = text(example, source.pieces)
        assert not any(w in said for q in wordings.QUESTIONS for w in wordings.held_out(q) if "{" not in w)
        if example.entity is not None:
            entity = FEW[example.entity]
            answers = {f.value for f in entity.known}
            if not entity.caption_withheld:
                answers.add(entity.caption)
            assert any(said.endswith(" " + a) for a in answers)


def test_examination_uses_what_it_says(few: Picturebook) -> None:
    rows = context_questions(DATA.entities, 4, 20)
    trained_names = {e.name for e in DATA.entities if e.split == "train"}
    for row, questions in rows.items():
        for q in questions:
            assert q.query.prompt.count("New Fact: ") == 4
            stated = [line for line in q.query.prompt.splitlines() if line.startswith("New Fact")]
            if "followed" in row:
                assert any(line.endswith(" " + q.answer) for line in stated)
            asked = q.query.prompt.rsplit("Prompt: ", 1)[1]
            assert not any(f" {name}?" in asked for name in trained_names)
            assert ("no picture" in row) == (q.query.image is None)
    plain = plain_questions(few.entities)
    assert all(plain.values())
    assert len(plain) == 9 + 2 + 1 + 6
