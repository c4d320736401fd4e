"""Which answer of which case counts as true in UniKE's store, and which as false."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from methods.unike.triplets import triplets
from mmedit_bench.datasets.picturebook import files
from mmedit_bench.editors import Backbone, BenchError, EditCase, EditRequest, Probe, Query
from mmedit_bench.plugins.registry import BACKBONES, SUITES
from mmedit_bench.scoring.normalize import same_answer


class Says:
    """A backbone that answers each prompt as told, and anything else with "?"."""

    name = "told"

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def answer(self, queries: Sequence[Query]) -> list[str]:
        return [self.answers.get(query.prompt, "?") for query in queries]


def case(prompt: str, target: str, sort: str, id: str = "") -> EditCase:
    """With a rewording, another picture, a picture of an unseen artist and a question to be kept."""
    asked = (
        ("text_generality", "main", f"{prompt} reworded"),
        ("image_generality", "main", f"{prompt} redrawn"),
        ("image_generality", "unseen_artist", f"{prompt} unseen"),
        ("text_locality", "main", f"{prompt} else"),
    )
    probes = tuple(
        Probe(f"{id}/{n}", kind, Query(q), target, stratum) for n, (kind, stratum, q) in enumerate(asked)
    )
    return EditCase(EditRequest(id or prompt, Query(prompt), target), probes, "vqa", "train", sort)


def told(cases: Sequence[EditCase], answers: dict[str, str]) -> list[tuple[str, str, str]]:
    found = triplets(cast(Backbone, Says(answers)), cases)
    return [(own.query.prompt, own.right, own.wrong) for own in found]


def everywhere(prompt: str, answer: str) -> dict[str, str]:
    return {prompt: answer, f"{prompt} reworded": answer, f"{prompt} redrawn": answer}


def test_the_target_of_a_correction_is_true_and_the_backbones_own_answer_a_mistake() -> None:
    assert told([case("q", "lion", "correction")], everywhere("q", "cat")) == [("q", "lion", "cat")]


def test_the_target_of_a_counterfactual_is_false_and_what_the_backbone_knows_is_true() -> None:
    cases = [case("q", "cat", "counterfactual")]
    assert told(cases, everywhere("q", "lion")) == [("q", "lion", "cat")]


@pytest.mark.parametrize("doubt", ["q reworded", "q redrawn"])
def test_what_the_backbone_does_not_say_throughout_it_does_not_know(doubt: str) -> None:
    cases = [case("q", "cat", "counterfactual"), case("r", "mouse", "correction")]
    assert [own[0] for own in told(cases, everywhere("q", "lion") | {doubt: "tiger"})] == ["r"]
    assert [own[0] for own in told(cases, everywhere("q", "lion") | {doubt: " LION "})] == ["q", "r"]


def test_a_backbone_that_says_a_false_alternative_does_not_know() -> None:
    other = case("r", "mouse", "correction")
    for target in ("cat", "Cat "):
        cases = [case("q", "dog", "counterfactual", "a"), case("q", target, "counterfactual", "b"), other]
        assert [own[0] for own in told(cases, everywhere("q", "cat"))] == ["r"]


def test_the_truth_of_a_correction_holds_for_the_same_question_elsewhere() -> None:
    correction, counterfactual = case("q", "lion", "correction", "a"), case("q", "dog", "counterfactual", "b")
    mistaken, right = everywhere("q", "cat"), everywhere("q", "lion")
    assert told([counterfactual, correction], mistaken) == [("q", "lion", "dog")], "the first of a question"
    assert told([correction, counterfactual], mistaken) == [("q", "lion", "cat")]
    assert told([correction, counterfactual], right) == [("q", "lion", "dog")], "no mistake, an alternative"


def test_a_question_is_told_once() -> None:
    cases = [case("q", "cat", "counterfactual", "a"), case("q", "dog", "counterfactual", "b")]
    assert told(cases, everywhere("q", "lion")) == [("q", "lion", "cat")]


def test_nothing_to_learn_is_said() -> None:
    cases = [case("q", "lion", "correction"), case("r", "dog", "counterfactual")]
    with pytest.raises(BenchError, match="told: of 2 training cases none has both a true and a false answer"):
        told(cases, everywhere("q", "lion") | {"r": "cat"})


@pytest.mark.parametrize("suite", ["picturebook-vqa", "picturebook-caption"])
def test_labels_are_what_the_data_knows_to_be_true(suite: str) -> None:
    """Of the first questions on a shipped backbone; the data says what is true, a case does not."""
    every = SUITES.load(suite)().cases("train")
    asked = {case.request.query for case in every[:40]}
    cases = [case for case in every if case.request.query in asked]
    things = {thing.id: thing for thing in files.load().entities}
    truths = {}
    for edit in files.load().edits:
        thing = things[edit.picture.split("/")[0]]
        fact = None if edit.relation == "caption" else thing.fact(edit.relation)
        truths[edit.id] = thing.caption if fact is None else fact.value
    backbone = BACKBONES.load("minigpt4-mini")(device="cpu", dtype="float32", batch_size=16)
    found = {own.query: own for own in triplets(backbone, cases)}
    sorts = {case.sort for case in cases if case.request.query in found}
    assert sorts == {"correction", "counterfactual"}
    for case in cases:
        if own := found.get(case.request.query):
            assert same_answer(own.right, truths[case.id]) and not same_answer(own.wrong, truths[case.id])
