"""GRACE: its keys and values against hooks of their own, and what a sequence of edits answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from methods.grace.editor import GRACEEditor, carried_book
from mmedit_bench.editors import Backbone, Codebook, Edit, EditRequest, Query
from mmedit_bench.interventions import fold
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases, tiny_picture

CASES = tiny_cases(4, "test")
WORDS = ("paris", "lisbon", "asia")
REQUESTS = [
    replace(case.request, target=word)
    for case, word in zip((CASES[0], CASES[1], CASES[3]), WORDS, strict=True)
]
REQUEST = REQUESTS[0]
LEARNS: dict[str, Any] = {"layer": 0, "steps": 40, "lr": 0.5}


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def entry(edit: Edit) -> Codebook:
    (item,) = edit.interventions
    assert isinstance(item, Codebook)
    return item


def whole_book(*edits: Edit) -> Codebook:
    (book,) = fold(edits)
    assert isinstance(book, Codebook)
    return book


def read_at_the_end(backbone: Backbone, query: Query, path: str) -> tuple[Tensor, Tensor]:
    """What a module reads and writes at the last token of a question that nothing follows."""
    seen: list[Tensor] = []

    def look(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        seen[:] = [x.reshape(-1, x.shape[-1])[-1] for x in (args[0], output)]

    handle = backbone.model.get_submodule(path).register_forward_hook(look)
    backbone.answer([query], 1)
    handle.remove()
    return seen[0], seen[1]


@pytest.mark.parametrize("key", ["ffn", "inner"])
def test_the_key_is_the_state_of_the_questions_last_token(backbone: Backbone, key: str) -> None:
    own = entry(GRACEEditor(layer=1, key=key, steps=0, radius=2.5).edit(backbone, REQUEST))
    ffn = backbone.anatomy.ffn(1)
    assert (own.reads, own.writes) == (ffn[0] if key == "ffn" else ffn[-1], ffn[-1])
    assert torch.allclose(own.keys[0], read_at_the_end(backbone, REQUEST.query, own.reads)[0], atol=1e-4)
    assert torch.allclose(own.values[0], read_at_the_end(backbone, REQUEST.query, ffn[-1])[1], atol=1e-4)
    assert (own.radii.tolist(), own.labels, own.where) == ([2.5], (REQUEST.target,), "prompt")
    cold = entry(GRACEEditor(layer=1, key=key, steps=0, start="random").edit(backbone, REQUEST))
    assert torch.equal(cold.keys, own.keys)
    assert cold.values.min() >= 0 and 0.8 < cold.values.max() < 1


def test_a_value_is_descent_on_the_loss_of_the_request(backbone: Backbone) -> None:
    given = {"layer": 0, "lr": 0.3, "threshold": 0, "replaced": "last"}
    edit = GRACEEditor(**given, steps=5).edit(backbone, REQUEST)
    value = entry(GRACEEditor(**given, steps=0).edit(backbone, REQUEST)).values[0].clone().requires_grad_()
    end = -1 - len(backbone.answer_ids(REQUEST.target))

    def put(_: nn.Module, args: Any, output: Tensor) -> Tensor:
        states = list(output.reshape(-1, output.shape[-1]))
        states[end] = value
        return torch.stack(states).reshape(output.shape)

    handle = backbone.model.get_submodule(backbone.anatomy.ffn(0)[-1]).register_forward_hook(put)
    optimiser = torch.optim.Adam([value], lr=0.3)
    for _ in range(5):
        optimiser.zero_grad()
        backbone.loss([REQUEST.query], [REQUEST.target]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    handle.remove()
    assert torch.allclose(entry(edit).values[0], value, atol=1e-3)
    assert edit.note["steps"] == "5" and edit.note["met"] == "no earlier key"


def taken(backbone: Backbone, *requests: EditRequest) -> list[bool]:
    """By request, asked in one batch: is the target's word what comes first? A random model of two
    layers can hardly be brought to more by one vector."""
    queries, targets = ([getattr(own, name) for own in requests] for name in ("query", "target"))
    return [own.argmax_ids is not None and own.argmax_ids[0] == own.target_ids[0]
            for own in backbone.score(queries, targets)]  # fmt: skip


def test_the_target_is_learned_and_other_questions_stay_to_the_bit(backbone: Backbone) -> None:
    edit = GRACEEditor(**LEARNS, radius=0.1).edit(backbone, REQUEST)
    view = backbone.edited(edit)
    assert (taken(backbone, REQUEST), taken(view, REQUEST)) == ([False], [True])
    others = [request.query for request in REQUESTS[1:]]
    found, bare = view.logits(others, ["x"] * 2), backbone.logits(others, ["x"] * 2)
    assert all(torch.equal(a, b) for a, b in zip(found, bare, strict=True))


def test_edits_of_a_sequence_answer_each_its_own_question_in_one_batch(backbone: Backbone) -> None:
    """Also where every ball would hold every question: radii split, and no label is another's."""
    editor, view, edits = GRACEEditor(**LEARNS, radius=1000.0), backbone, list[Edit]()
    for request in REQUESTS:
        edits.append(editor.edit(view, request))
        view = view.edited(edits[-1])
    assert all(taken(view, *REQUESTS))
    book = whole_book(*edits)
    assert len(book.labels) == 3 and book.radii.max() < 1000
    left = [edits[0], *edits[2:]]
    assert taken(backbone.edited(*left), *REQUESTS) == [True, False, True]
    never, sequence = backbone, list[Edit]()
    for request in (REQUESTS[0], *REQUESTS[2:]):
        sequence.append(editor.edit(never, request))
        never = never.edited(sequence[-1])
    assert fold(left) == fold(sequence), "undone, it is to the bit as if it was never made"


def test_the_same_answer_nearby_grows_an_earlier_ball_and_undoing_shrinks_it(backbone: Backbone) -> None:
    editor = GRACEEditor(**LEARNS, radius=1000.0)
    first = editor.edit(backbone, REQUEST)
    again = EditRequest("again", Query("name the place of the lion.", tiny_picture(9)), REQUEST.target)
    small = replace(entry(first), radii=torch.tensor([0.5]))
    view = backbone.edited(Edit((small,)))
    second = editor.edit(view, again)
    assert "this answer" in second.note["met"]
    book = whole_book(Edit((small,)), second)
    assert len(book.labels) == 1 and book.radii[0] > 0.5
    assert torch.equal(book.keys, small.keys) and torch.equal(book.values, entry(second).values)
    assert whole_book(Edit((small,))) == small, "undone"
    assert taken(view.edited(second), again) == [True]
    # without the earlier one, it stands for itself
    assert taken(backbone.edited(second), again) == [True]
    # training begins at the earlier value; where that does already, it is kept
    kept = GRACEEditor(layer=0, radius=1000.0, threshold=1e9).edit(view, again)
    assert kept.note["steps"] == "0" and torch.equal(entry(kept).values, small.values)


def test_the_last_edit_of_a_question_counts_until_it_is_undone(backbone: Backbone) -> None:
    editor, other = GRACEEditor(**LEARNS, radius=0.1), replace(REQUEST, id="other", target="lisbon")
    first = editor.edit(backbone, REQUEST)
    second = editor.edit(backbone.edited(first), other)
    assert "replaced" in second.note["met"]
    assert taken(backbone.edited(first, second), REQUEST, other) == [False, True]
    assert taken(backbone.edited(first), REQUEST, other) == [True, False]
    assert whole_book(first, second) == entry(second)
    third = editor.edit(backbone.edited(first, second), REQUEST)
    assert taken(backbone.edited(first, second, third), REQUEST, other) == [True, False]


def test_an_entry_meets_all_that_were_made_before_it(backbone: Backbone) -> None:
    """And not the last one only."""
    editor, view, edits = GRACEEditor(layer=0, steps=2, lr=0.5, radius=0.1), backbone, list[Edit]()
    for request in REQUESTS:
        edits.append(editor.edit(view, request))
        view = view.edited(edits[-1])
    carried = carried_book(view, entry(edits[0]))
    assert carried is not None and carried.labels == whole_book(*edits).labels == WORDS
    for request in REQUESTS:
        met = editor.edit(view, replace(request, id="again")).note["met"]
        assert "with this answer" in met, request.target


def test_a_book_of_another_place_is_not_the_carried_one(backbone: Backbone) -> None:
    edits = [GRACEEditor(layer=layer, steps=0).edit(backbone, REQUEST) for layer in (0, 1)]
    view = backbone.edited(*edits)
    assert carried_book(view, entry(edits[1])) == entry(edits[1])
    assert carried_book(backbone, entry(edits[1])) is None
