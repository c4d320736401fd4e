"""In-context editing against a brute-force computation."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch

from methods.ike.corpus import TYPES
from methods.ike.editor import IKEEditor
from mmedit_bench.editors import Backbone, BenchError, Context, Edit, EditCase, EditRequest, Query
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

TRAIN = tiny_cases(30)
REQUEST = tiny_cases(37, "test")[36].request


def text_of(edit: Edit) -> str:
    (item,) = edit.interventions
    assert isinstance(item, Context)
    return item.text


def prepared(backbone: Backbone, **options: Any) -> IKEEditor:
    editor = IKEEditor(**{"demonstrations": 8} | options)
    editor.prepare(backbone, TRAIN)
    return editor


def mean_embedding(backbone: Backbone, text: str) -> list[float]:
    table = backbone.model.language_model.get_input_embeddings().weight
    ids = backbone.tokenizer(text, add_special_tokens=False)["input_ids"]
    return [float(sum(table[i][k] for i in ids) / len(ids)) for k in range(table.shape[1])]


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def questions(case: EditCase) -> dict[str, str]:
    """The second line of a demonstration of each type."""
    by_kind = {probe.kind: probe for probe in case.probes}
    unrelated = by_kind["text_locality"]
    return {
        "copy": f"{case.request.query.prompt} {case.request.target}",
        "update": f"{by_kind['text_generality'].query.prompt} {case.request.target}",
        "retain": f"{unrelated.query.prompt} {unrelated.reference}",
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_text_equals_a_brute_force_computation(family: str) -> None:
    backbone = tiny_backbone(family, max_positions=2048)
    fact = f"{REQUEST.query.prompt} {REQUEST.target}"
    wanted = mean_embedding(backbone, fact)
    scored = []
    for case in TRAIN:
        own = f"{case.request.query.prompt} {case.request.target}"
        scored.append((cosine(mean_embedding(backbone, own), wanted), case, own))
    scored.sort(key=lambda entry: -entry[0])
    shown = []
    for (_, case, own), kind in zip(scored[:8], TYPES, strict=True):
        shown.append(f"New Fact: {own}\nPrompt: {questions(case)[kind]}\n\n")
    edit = prepared(backbone).edit(backbone, REQUEST)
    assert text_of(edit) == "".join(reversed(shown)) + f"New Fact: {fact}\nPrompt: "
    assert edit.note == {"demonstrations": "8", "dropped": "0"}


def test_types_keep_the_published_ratio() -> None:
    assert Counter(TYPES) == {"copy": 1, "update": 3, "retain": 4}
    text = text_of(
        prepared(tiny_backbone("opt", max_positions=4096), demonstrations=16).edit(
            tiny_backbone("opt", max_positions=4096), REQUEST
        )
    )
    lines = Counter(line for line in text.split("\n") if line.startswith("Prompt: "))
    counts = Counter(dict.fromkeys(("copy", "update", "retain"), 0))
    for case in TRAIN:
        for kind, question in questions(case).items():
            counts[kind] += lines[f"Prompt: {question}"]
    assert counts == {"copy": 2, "update": 6, "retain": 8}


def test_the_question_follows_directly() -> None:
    backbone = tiny_backbone("opt", template="{prompt} so:")
    edit = prepared(backbone, demonstrations=2).edit(backbone, REQUEST)
    asked = Query(text_of(edit) + "where does the lion live?")
    view = backbone.edited(edit)
    assert view.answer([Query("where does the lion live?")], 8) == backbone.answer([asked], 8)


def test_own_case_and_repeated_facts_are_no_demonstrations() -> None:
    backbone = tiny_backbone("opt", max_positions=2048)
    own = TRAIN[3].request
    text = text_of(prepared(backbone, demonstrations=30).edit(backbone, own))
    assert text.count(f"New Fact: {own.query.prompt} {own.target}\n") == 1
    editor = IKEEditor(demonstrations=30)
    editor.prepare(backbone, (*TRAIN[:5], *TRAIN[:5]))
    assert editor.edit(backbone, REQUEST).note["demonstrations"] == "5"


def test_least_similar_demonstrations_go_when_positions_are_short() -> None:
    wide = tiny_backbone("opt", max_positions=2048)
    full = text_of(prepared(wide, reserve=20).edit(wide, REQUEST)).split("\n\n")
    kept = []
    for positions in (90, 160, 240, 320):
        backbone = tiny_backbone("opt", max_positions=positions)
        edit = prepared(backbone, reserve=20).edit(backbone, REQUEST)
        parts = text_of(edit).split("\n\n")
        assert parts == full[len(full) - len(parts) :]
        assert edit.note == {"demonstrations": str(len(parts) - 1), "dropped": str(9 - len(parts))}
        view = backbone.edited(edit)
        for case in (*TRAIN, *tiny_cases(3, "test")):
            lengths = view.input_lengths([p.query for p in case.probes], [p.reference for p in case.probes])
            assert max(lengths) + 15 <= positions  # 20 less what a test question may be longer
        longest = max(
            max(view.input_lengths([p.query for p in case.probes], [p.reference for p in case.probes]))
            for case in TRAIN
        )
        if len(parts) < 9:  # one more would not have fitted
            more = backbone.edited(Edit((Context(full[len(full) - len(parts) - 1] + "\n\n"),)), *view.edits)
            assert (
                max(
                    max(
                        more.input_lengths([p.query for p in case.probes], [p.reference for p in case.probes])
                    )
                    for case in TRAIN
                )
                + 20
                > positions
            )
        assert longest + 20 <= positions
        kept.append(len(parts))
    assert kept == sorted(kept)
    assert len(set(kept)) > 2
    tight = tiny_backbone("opt", max_positions=40)
    with pytest.raises(BenchError, match="the new fact alone does not fit the backbone's 40 positions"):
        prepared(tight).edit(tight, REQUEST)


def test_it_must_be_prepared_with_cases_that_can_be_shown() -> None:
    backbone = tiny_backbone("opt")
    with pytest.raises(BenchError, match="must be called before edit"):
        IKEEditor().edit(backbone, REQUEST)
    bare = EditCase(EditRequest("a", Query("where?"), "asia"), (), "vqa", "train", "correction")
    for cases in ((), (bare,)):
        with pytest.raises(BenchError, match="no train case has both"):
            IKEEditor().prepare(backbone, cases)


def test_no_number_is_trained() -> None:
    backbone = tiny_backbone("opt")
    edit = prepared(backbone).edit(backbone, REQUEST)
    (context,) = edit.interventions
    assert edit.nbytes == len(context.text.encode())
    assert (edit.parameter_count, edit.first_layer(backbone.anatomy)) == (0, 0)
    assert torch.is_grad_enabled()
