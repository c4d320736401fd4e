"""Scores of published evaluations: worked by hand, and against a slow statement of each definition."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.scoring import metrics
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.legacy import ranks_kept, target_exact
from mmedit_bench.scoring.metrics import Seen

EOS = 2
TEN = tuple(range(10, 20))
"""Ten token ids, best first."""
OTHER = tuple(range(30, 40))
LINES = ("legacy_editor", "legacy_editor_ike", "legacy_trainer_exact", "legacy_trainer_token", "liveedit")
TRAINER = LINES[2:4]
ANSWER_ONLY = ("legacy_editor", "liveedit")


def read(family: str, kind: str, edited: Reading, before: Reading, target: Sequence[int] = (5, EOS)) -> float:
    found = family_named(family).metric(kind).of(Seen(kind, "kiwi", tuple(target), edited, before))
    assert found is not None
    return found


def rows(*given: tuple[int, ...], argmax: tuple[int, ...] = (5, EOS)) -> Reading:
    return Reading("kiwi", argmax, (-1.0,) * len(argmax), top10=given)


def with_swap(row: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (*row[:rank], row[rank + 1], row[rank], *row[rank + 2 :])


# ---- worked by hand


@pytest.mark.parametrize(
    ("said", "token", "exact", "with_end"),
    [
        ((5, 6, 7, EOS), 1, 1, 1),
        ((5, 6, 7, 9), 1, 1, 0),  # it would talk on: no line asks
        ((5, 6, 9, EOS), 2 / 3, 0, 0),
        ((9, 6, 7, EOS), 2 / 3, 0, 0),  # the first word is wrong, the rest follows from the right one
        ((9, 9, 9, EOS), 0, 0, 0),
    ],
)
def test_of_the_target_its_own_tokens_count(said, token: float, exact: float, with_end: float) -> None:
    target = (5, 6, 7, EOS)
    edited, before = Reading("x", said, top10=()), Reading("y", (9, 9, 9, 9), top10=())
    for kind in ("reliability", "text_generality", "image_generality", "portability"):
        for family in LINES:
            wanted = exact if family == "legacy_trainer_exact" else token
            metric = family_named(family).metric(kind)
            assert metric.of(Seen(kind, "x", target, edited, before)) == pytest.approx(wanted)
    assert metrics.teacher_forced_exact(said, target) == with_end


def test_swapped_neighbours_are_two_errors() -> None:
    """Two positions of ten ranks; at the second, ranks 3 and 4 have changed places."""
    before, edited = rows(TEN, TEN), rows(TEN, with_swap(TEN, 2))
    for family in (*TRAINER, "legacy_editor_ike"):
        assert read(family, "image_locality", edited, before) == 18 / 20
    assert read("legacy_trainer_exact", "text_locality", edited, before) == 1
    assert read("legacy_editor_ike", "text_locality", edited, before) == 18 / 20
    swapped_first = rows(TEN, with_swap(TEN, 0))
    assert read("legacy_trainer_token", "text_locality", swapped_first, before) == 1 / 2
    assert read("legacy_trainer_token", "image_locality", swapped_first, before) == 18 / 20


def test_a_demoted_first_token_is_ten_errors() -> None:
    """The first goes to the tenth place and all others move up: the ten are the same, no rank is."""
    demoted = (*TEN[1:], TEN[0])
    assert set(demoted) == set(TEN)
    before, edited = rows(TEN, TEN, TEN, TEN), rows(TEN, TEN, TEN, demoted)
    assert read("legacy_trainer_token", "image_locality", edited, before) == 30 / 40
    all_demoted = rows(demoted, demoted, demoted, demoted)
    assert read("legacy_trainer_token", "image_locality", all_demoted, before) == 0
    last_two = rows(TEN, (*TEN[:8], TEN[9], TEN[8]), TEN, TEN)
    assert read("legacy_trainer_token", "image_locality", last_two, before) == 38 / 40


def test_positions_that_nobody_reads_count() -> None:
    """A question of three tokens and an answer of one: the answer alone is one position of four."""
    before = rows(TEN, TEN, TEN, TEN, argmax=(10, EOS))
    other_answer = rows(TEN, TEN, OTHER, TEN, argmax=(30, EOS))  # row 3 predicts the answer, row 4 its end
    assert read("legacy_trainer_token", "text_locality", other_answer, before) == 3 / 4
    assert read("legacy_trainer_token", "image_locality", other_answer, before) == 30 / 40
    for family in ANSWER_ONLY:
        assert read(family, "text_locality", other_answer, before) == 0
        assert read(family, "image_locality", other_answer, before) == 0
    other_question = rows(OTHER, OTHER, TEN, TEN, argmax=(10, EOS))
    assert read("legacy_trainer_token", "text_locality", other_question, before) == 2 / 4
    assert read("legacy_editor", "text_locality", other_question, before) == 1
    other_end = rows(TEN, TEN, TEN, OTHER, argmax=(10, 30))  # what comes after the answer counts too
    assert read("legacy_trainer_token", "text_locality", other_end, before) == 3 / 4
    assert read("legacy_editor", "text_locality", other_end, before) == 1


def test_a_context_shifts_what_is_compared() -> None:
    """Picture (two positions) and question (two) before; picture, context (three) and question after.

    Aligned at their ends, the picture of the one stands against context of the other.
    """
    picture, context, question = (TEN, TEN), (OTHER, OTHER, TEN), (TEN, OTHER)
    before, edited = rows(*picture, *question), rows(*picture, *context, *question)
    # compared: context[1], context[2], question; against picture, question
    assert read("legacy_trainer_token", "image_locality", edited, before) == 30 / 40
    assert read("legacy_editor_ike", "text_locality", edited, before) == 30 / 40
    assert read("legacy_trainer_exact", "text_locality", edited, before) == 3 / 4
    assert read("legacy_trainer_token", "image_locality", before, edited) == 30 / 40


def test_padding_counts_where_there_is_any() -> None:
    """Two questions of two and four positions in one batch, the shorter one filled up: the line's number
    is over eight positions, of which two are nobody's. Here each edit is alone, as in the published
    configurations, and has one vote."""
    pad_before, pad_after = TEN, OTHER  # what a model predicts at padding may change like anything else
    long_before, long_after = (TEN,) * 4, (TEN, TEN, TEN, OTHER)
    short_before, short_after = (TEN,) * 2, (TEN, OTHER)
    batched = ranks_kept(
        (*long_after, *short_after, pad_after, pad_after),
        (*long_before, *short_before, pad_before, pad_before),
        1,
    )
    assert batched == 4 / 8
    alone = [ranks_kept(long_after, long_before, 1), ranks_kept(short_after, short_before, 1)]
    assert alone == [3 / 4, 1 / 2] and sum(alone) / 2 == 5 / 8


def test_a_small_vocabulary_has_fewer_ranks() -> None:
    assert ranks_kept([(3, 1, 2)], [(3, 2, 1)], 10) == 1 / 3


@pytest.mark.parametrize(
    ("after", "before", "message"),
    [
        ([], [TEN], "no ranked tokens"),
        ([TEN], [], "no ranked tokens"),
        ([()], [()], "no ranked tokens"),
        ([TEN[:3]], [TEN], "3 ranked tokens at a position against 10"),
    ],
)
def test_rows_that_cannot_be_compared(after, before, message: str) -> None:
    with pytest.raises(BadRecord, match=message):
        ranks_kept(after, before, 10)


def test_fewer_positions_than_the_reference_are_not_this_probe() -> None:
    """Aligned at the ends, one row would be compared with the last and the rest be forgotten."""
    before = rows(OTHER, OTHER, TEN, argmax=(5, 6, EOS))
    with pytest.raises(BadRecord, match="1 and 3 positions, fewer than the reference"):
        read("legacy_trainer_exact", "text_locality", rows(TEN, argmax=(5, 6, EOS)), before, (5, 6, EOS))


def test_a_text_alone_has_no_legacy_score() -> None:
    for family in LINES:
        for kind in ("reliability", "text_locality", "image_locality"):
            metric = family_named(family).metric(kind)
            assert metric.of(Seen(kind, "x", (5, EOS), Reading("x"), rows(TEN, TEN))) is None


# ---- against the definitions, slowly

VOCABULARY = 12


class Forward:
    """What one input of a batch of one gives: numbers for every next token, at every position."""

    def __init__(self, numbers: Sequence[Sequence[int]], labels: Sequence[int]) -> None:
        """`labels` are the input's own ids, with -100 wherever it is not the answer."""
        self.numbers = numbers
        self.labels = labels

    def first(self, position: int, count: int) -> list[int]:
        ids = range(VOCABULARY)
        return sorted(ids, key=lambda token: -self.numbers[position][token])[:count]

    def target(self, exact: bool) -> Fraction:
        """Predictions without the last against labels without the first, where there are labels."""
        said = [self.first(i, 1)[0] for i in range(len(self.numbers) - 1)]
        pairs = [(one, other) for one, other in zip(said, self.labels[1:], strict=True) if other != -100]
        right = sum(one == other for one, other in pairs)
        return Fraction(int(right == len(pairs))) if exact else Fraction(right, len(pairs))

    def answers(self) -> list[int]:
        """The most likely token before each of the answer's."""
        return [self.first(i, 1)[0] for i in range(len(self.numbers) - 1) if self.labels[i + 1] != -100]

    def ranked(self, before: Forward, count: int) -> Fraction:
        """All positions from the end, all ranks, in one long list of ids."""
        shared = min(len(self.numbers), len(before.numbers))
        lists = []
        for own in (self, before):
            start = len(own.numbers) - shared
            lists.append([token for i in range(start, start + shared) for token in own.first(i, count)])
        return Fraction(sum(a == b for a, b in zip(*lists, strict=True)), len(lists[0]))

    def recorded(self) -> Reading:
        """The same as a run records it: most likely tokens of the answer and its end, ten of all."""
        total, length = len(self.numbers), sum(label != -100 for label in self.labels)
        argmax = tuple(self.first(i, 1)[0] for i in range(total - length - 1, total))
        ten = tuple(tuple(self.first(i, 10)) for i in range(total))
        return Reading("", argmax, (0.0,) * len(argmax), top10=ten)


NUMBERS = st.permutations(range(VOCABULARY))


@st.composite
def forwards(draw: st.DrawFn) -> tuple[Forward, Forward, tuple[int, ...]]:
    """The same question before and after an edit, which may have put a context in front."""
    answer = draw(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4))
    question, context = draw(st.integers(1, 5)), draw(st.sampled_from((0, 0, 3)))
    base = [draw(NUMBERS) for _ in range(question + len(answer))]
    moved = [draw(NUMBERS) if draw(st.booleans()) else row for row in base]
    after = [*(draw(NUMBERS) for _ in range(context)), *moved]
    labels = [-100] * question + answer
    made = Forward(after, [-100] * context + labels), Forward(base, labels)
    return *made, (*answer, EOS)


@given(forwards())
def test_every_line_is_its_definition(drawn: tuple[Forward, Forward, tuple[int, ...]]) -> None:
    after, before, target = drawn
    edited, base = after.recorded(), before.recorded()
    kept = [a == b for a, b in zip(after.answers(), before.answers(), strict=True)]
    answers = Fraction(sum(kept), len(kept))
    wanted = {
        ("legacy_trainer_exact", "reliability"): after.target(exact=True),
        ("legacy_trainer_token", "reliability"): after.target(exact=False),
        ("legacy_editor", "image_generality"): after.target(exact=False),
        ("legacy_editor_ike", "text_generality"): after.target(exact=False),
        ("liveedit", "reliability"): after.target(exact=False),
        ("legacy_trainer_exact", "text_locality"): after.ranked(before, 1),
        ("legacy_trainer_token", "image_locality"): after.ranked(before, 10),
        ("legacy_editor", "text_locality"): answers,
        ("legacy_editor", "image_locality"): answers,
        ("legacy_editor_ike", "text_locality"): after.ranked(before, 10),
        ("legacy_editor_ike", "image_locality"): after.ranked(before, 10),
        ("liveedit", "image_locality"): answers,
    }
    for (family, kind), exactly in wanted.items():
        found = read(family, kind, edited, base, target)
        assert found == exactly.numerator / exactly.denominator
        # the lines divide in single precision: rounded to it, the number is theirs to the bit
        assert np.float32(found) == np.float32(exactly.numerator) / np.float32(exactly.denominator)


@given(forwards())
def test_order_and_bounds(drawn: tuple[Forward, Forward, tuple[int, ...]]) -> None:
    after, before, target = drawn
    edited, base = after.recorded(), before.recorded()
    argmax = edited.argmax or ()
    strict = metrics.teacher_forced_exact(argmax, target)
    assert strict <= target_exact(argmax, target) <= metrics.teacher_forced_token(argmax, target)
    for family in LINES:
        for kind in ("reliability", "text_locality", "image_locality"):
            assert 0 <= read(family, kind, edited, base, target) <= 1
        assert read(family, "image_locality", base, base, target) == 1
    for family in ANSWER_ONLY:  # the same measurement as the token average, asked in other words
        for kind in ("reliability", "text_locality"):
            ours = read("teacher_forced_token", kind, edited, base, target)
            assert read(family, kind, edited, base, target) == ours
