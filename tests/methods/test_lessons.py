"""What editors that learn to edit are trained on, against plain accounts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest
import torch

from methods.lessons import drift, lesson
from methods.mistakes import wrongly_answered
from mmedit_bench.editors import Backbone, BenchError, Edit, Query, WeightDelta
from tests.methods.recording import plain_divergence
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

CASES = tiny_cases(4)


class Says:
    """Answers each question as told."""

    name = "told"

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = {case.request.query: said for case, said in zip(CASES, answers, strict=True)}

    def answer(self, queries: Sequence[Query]) -> list[str]:
        return [self.answers[query] for query in queries]


def test_what_is_learned_is_what_the_backbone_gets_wrong() -> None:
    targets = [case.request.target for case in CASES]
    told = [targets[0], "rome", f" {targets[2].upper()} ", ""]
    assert wrongly_answered(cast(Backbone, Says(told)), CASES) == [(CASES[1], "rome"), (CASES[3], "")]
    with pytest.raises(BenchError, match="told answers all 4 training cases as wanted"):
        wrongly_answered(cast(Backbone, Says(targets)), CASES)


def test_a_lesson_changes_rewordings_and_keeps_locality() -> None:
    case = CASES[0]
    by_kind = {probe.kind: probe for probe in case.probes}
    hard = replace(by_kind["image_locality"], id="near", stratum="same_question", reference="a lion")
    whole = replace(case, probes=(*case.probes, hard))
    drawn = [lesson(whole, random.Random(n), near=False) for n in range(9)]
    for own in drawn:
        changed = [by_kind["text_generality"], by_kind["image_generality"]]
        kept = [by_kind["text_locality"], by_kind["image_locality"]]
        for (queries, answers), probes in ((own.changed, changed), (own.kept, kept)):
            assert (queries, answers) == ([p.query for p in probes], [p.reference for p in probes])
        assert case.request.query not in own.changed[0], "the request itself is no part of it"
    wide = [lesson(whole, random.Random(n), near=True) for n in range(9)]
    assert {own.image.stratum for own in wide} == {"main", "same_question"}


@pytest.mark.parametrize("family", FAMILIES)
def test_drift_is_the_divergence_from_the_unedited_answers(family: str) -> None:
    backbone = tiny_backbone(family)
    path = backbone.anatomy.ffn(1)[-1]
    noise = torch.randn(backbone.weight(path).shape, generator=torch.Generator().manual_seed(0))
    edit = Edit((WeightDelta(path, 0.2 * noise),))
    by_kind = {probe.kind: probe for probe in CASES[0].probes}
    found = drift(backbone, edit, lesson(CASES[0], random.Random(0)))
    for value, kind in zip(found, ("text_locality", "image_locality"), strict=True):
        asked = [by_kind[kind].query], [by_kind[kind].reference]
        wanted = plain_divergence(backbone.logits(*asked)[0], backbone.edited(edit).logits(*asked)[0])
        assert value.item() == pytest.approx(wanted.item(), rel=1e-3)
        assert wanted > 1e-2
    assert found[0].item() != pytest.approx(found[1].item(), rel=0.05)
