"""An audit finds in made-up data what was put there, and in the published files what is known of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.datasets import mmedit, vlkeb
from mmedit_bench.datasets.annotated.suite import AnnotatedSuite
from mmedit_bench.datasets.auditing.audit import audit
from mmedit_bench.datasets.auditing.shortcuts import constant_prefix
from mmedit_bench.datasets.picturebook import vqa as picturebook
from mmedit_bench.errors import BadData
from tests.datasets.published import FOLDER, needs_published
from tests.datasets.small import layout, small, value

TRAIN = [
    value(0), value(1), value(2, m_loc="val/m12.png", loc="nq question: who made thing 10"),
    value(3, image="val/p11.png"), value(4, src="What is thing 11?", alt="new thing 11"),
    value(5, image_rephrase="val/r13.png"),
]  # fmt: skip
EVALUATION = [
    value(10), value(11), value(12, alt="An old thing"), value(13, rephrase="What is thing 13?"),
    value(14, src="What is it?", image="val/p.png", alt="yes"),
    value(15, src="What is it?", image="val/p.png", alt="two whole words "),
    value(16, src="What is the new thing 16?", m_loc="val/p.png"),
]  # fmt: skip


def found(suite: Any, split: str = "evaluation") -> dict[str, dict[str, Any]]:
    document = audit(suite, split)
    assert document["dataset"] == suite.name
    assert {own["command"] for own in document["findings"]} == {
        f"mmedit-bench audit {suite.name} --split {split}"
    }
    assert all(own["sentence"].endswith(".") for own in document["findings"])
    return {own["finding"]: own["numbers"] for own in document["findings"]}


def test_everything_that_was_put_there_is_found(tmp_path: Path) -> None:
    small(tmp_path, TRAIN, EVALUATION)
    numbers = found(AnnotatedSuite(layout(), tmp_path))
    assert numbers["image_locality_shared"] == {
        "questions": 7, "shared": 1, "shared_distinct": 1, "shared_but_for_answer": 1, "pictures_shared": 1,
    }  # fmt: skip
    assert numbers["text_locality_shared"]["shared"] == 1
    assert (numbers["edited_pictures_shared"]["shared"], numbers["edited_pictures_shared"]["pictures"]) == (
        1,
        1,
    )
    assert numbers["other_pictures_shared"] == {"probes": 7, "shared": 1}
    assert numbers["questions_shared"] == {
        "edits": 7, "question": 1, "question_and_target": 1, "question_and_target_distinct": 1,
        "question_and_picture": 0,
    }  # fmt: skip
    assert numbers["constant_prefix"]["text_locality"] == {
        "prefix": "nq question: who made", "questions": 7, "have": 7, "others": 21, "others_have": 0,
    }  # fmt: skip
    assert numbers["form_of_questions"]["text_locality"] == {"questions": 7, "question_mark": 0, "capital": 0}
    assert numbers["form_of_questions"]["edit"] == {"questions": 7, "question_mark": 7, "capital": 7}
    assert numbers["target_is_old_answer"] == {
        "edits": 7, "recorded": 7, "equal": 0, "equal_ignoring_case": 1,
    }  # fmt: skip
    assert numbers["rephrase_is_question"] == {"rephrases": 7, "equal": 1, "equal_ignoring_case": 1}
    assert numbers["question_with_several_targets"] == {
        "questions": 1, "edits": 2, "same_picture_questions": 1, "same_picture_edits": 2, "repeated_edits": 0,
    }  # fmt: skip
    assert numbers["pictures_shared_within"] == {
        "edits": 7, "sharing": 2, "most_per_picture": 2, "in_anothers_locality": 2,
    }  # fmt: skip
    assert numbers["target_in_question"] == {"edits": 7, "question": 1, "rephrase": 0}
    assert (numbers["targets"]["yes_no"], numbers["targets"]["space_around"]) == (1, 1)
    assert numbers["targets"]["words_mean"] == round((3 * 6 + 1) / 7, 2)


def test_a_suite_of_one_split_and_one_without_recorded_answers(tmp_path: Path) -> None:
    numbers = found(picturebook())
    assert numbers["target_is_old_answer"]["recorded"] == 0
    for leak in ("text_locality_shared", "image_locality_shared", "edited_pictures_shared"):
        assert numbers[leak]["shared"] == 0
    small(tmp_path, evaluation=[])
    suite = AnnotatedSuite(layout(), tmp_path)
    with pytest.raises(BadData, match="the split 'evaluation' has no edits"):
        audit(suite)
    with pytest.raises(BadData, match="no split 'test'; there are train, validation, evaluation"):
        audit(suite, "test")


@pytest.mark.parametrize(
    ("prompts", "wanted"),
    [
        (["nq question: who", "nq question: what is"], "nq question:"),
        (["a photo of"] * 3, "a photo of"),
        (["a b c d e"] * 9 + ["other"], "a b c d"),
        (["a b"] * 8 + ["other", "more"], None),
        (["what is", "who is"], None),
    ],
)
def test_a_beginning_is_constant_if_nine_in_ten_share_it(prompts: list[str], wanted: str | None) -> None:
    assert constant_prefix(prompts) == wanted


@needs_published
def test_the_published_files_show_what_is_known_of_them() -> None:
    begun = time.monotonic()
    vqa, caption, edits, onehop = (
        found(suite.at(FOLDER)) for suite in (mmedit.vqa(), mmedit.caption(), vlkeb.edits(), vlkeb.onehop())
    )
    assert time.monotonic() - begun < 60
    assert (vqa["image_locality_shared"]["questions"], vqa["image_locality_shared"]["shared"]) == (2093, 2093)
    assert caption["image_locality_shared"]["shared"] == 745
    assert caption["image_locality_shared"]["pictures_shared"] == 1000
    assert edits["image_locality_shared"]["shared"] == 2071
    for numbers, count in ((vqa, 2093), (caption, 1000)):
        assert numbers["text_locality_shared"]["shared"] == 0
        own = numbers["constant_prefix"]["text_locality"]
        assert (own["prefix"], own["have"], own["others_have"]) == ("nq question:", count, 0)
    for numbers in (edits, onehop):
        assert numbers["constant_prefix"]["text_locality"]["prefix"] is None
    assert vqa["edited_pictures_shared"]["shared"] == 1380
    assert caption["edited_pictures_shared"]["shared"] == 0
    assert vqa["questions_shared"]["question"] == 460
    assert vqa["questions_shared"]["question_and_target"] == 77
    assert edits["questions_shared"]["question_and_target"] == 1173
    assert vqa["questions_shared"]["question_and_picture"] == 0
    assert edits["other_pictures_shared"]["shared"] == 785
    assert vqa["target_is_old_answer"]["equal_ignoring_case"] == 4
    assert vqa["rephrase_is_question"]["equal"] == 45
    several = vqa["question_with_several_targets"]
    assert (several["questions"], several["edits"]) == (100, 254)
    within = vqa["pictures_shared_within"]
    assert (within["sharing"], within["most_per_picture"]) == (1154, 13)
    assert (caption["wordings"]["questions"], caption["wordings"]["rephrases"]) == (1, 19)
    assert (vqa["targets"]["words_mean"], caption["targets"]["words_mean"]) == (1.3, 10.3)
    assert (vqa["targets"]["one_word_share"], vqa["targets"]["yes_no_share"]) == (0.7955, 0.1381)
