"""A codebook against the rules of its paper written as lists, and against hooks that know each row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.inputs import Row
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Codebook, Context, Edit, asked, asking, fold
from mmedit_bench.interventions.codebook import MARGIN, WHERE
from tests.tiny import KNOWN, tiny_backbone, tiny_picture

QUERIES = [
    Query("where does the lion live?", tiny_picture(1)),
    Query("name the colour"),
    Query("where does the lion live?", tiny_picture(2)),
    Query("on which continent does the animal of this picture live?", tiny_picture(3)),
]
TARGETS = ["africa", "green, blue", "a red fox in the snow", "x"]
MADE: dict[str, Backbone] = {}


@pytest.fixture(params=KNOWN)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return MADE.setdefault(request.param, tiny_backbone(request.param))


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---- maintenance


class SlowBook:
    """Algorithm 1 of Hartvigsen et al. (2023), entry by entry, with numbers for keys and values."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def add(self, key: float, value: float, radius: float, label: str) -> None:
        entry = {"key": key, "value": value, "radius": radius, "label": label}
        near = None
        for other in self.entries:
            if near is None or abs(other["key"] - key) <= abs(near["key"] - key):
                near = other
        if near is None or abs(near["key"] - key) > near["radius"] + radius:
            self.entries.append(entry)
        elif near["label"] == label:
            near["radius"] = max(near["radius"], abs(near["key"] - key) + MARGIN * abs(key))
            near["value"] = value
        elif near["key"] == key:
            self.entries.remove(near)
            self.add(**entry)
        else:
            half = abs(near["key"] - key) / 2
            near["radius"] = min(near["radius"], half)
            entry["radius"] = min(radius, half)
            self.entries.append(entry)


def entry(key: float, value: float, radius: float, label: str) -> Codebook:
    tensors = (torch.tensor([[key, 0.0]]), torch.tensor([[value]]), torch.tensor([float(radius)]))
    return Codebook("reads", "writes", "last", *tensors, (label,))


# radii whose sums never meet a distance, so that rounding decides nothing
ENTRIES = st.lists(
    st.tuples(
        st.integers(-30, 30), st.floats(-9, 9, width=32), st.sampled_from([1.1, 2.3, 4.37]),
        st.sampled_from(["paris", "rome"]),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


def book_of(entries: list[tuple[int, float, float, str]]) -> Codebook:
    (found,) = fold([Edit((entry(*one),)) for one in entries])
    assert isinstance(found, Codebook)
    return found


@given(ENTRIES)
def test_folding_is_the_maintenance_of_the_paper(entries: list[tuple[int, float, float, str]]) -> None:
    slow = SlowBook()
    for one in entries:
        slow.add(*one)
    book = book_of(entries)
    assert list(book.labels) == [own["label"] for own in slow.entries]
    for name, found in (("key", book.keys[:, 0]), ("value", book.values[:, 0]), ("radius", book.radii)):
        assert found.tolist() == pytest.approx([own[name] for own in slow.entries], rel=1e-5), name


@given(ENTRIES, st.data())
def test_an_edit_that_is_left_out_was_never_made(
    entries: list[tuple[int, float, float, str]], data: st.DataObject
) -> None:
    edits = [Edit((entry(*one),)) for one in entries]
    whole = fold(edits)
    gone = data.draw(st.integers(0, len(edits) - 1))
    left = [edit for i, edit in enumerate(edits) if i != gone]
    fresh = [Edit((entry(*one),)) for i, one in enumerate(entries) if i != gone]
    assert fold(left) == fold(fresh), "radii that the edit had moved are what they were"
    assert fold(edits) == whole
    assert fold(edits[1:], onto=fold(edits[:1])) == whole


def test_what_becomes_of_a_second_entry() -> None:
    first = entry(10, 1, 3, "paris")
    for second, radii, labels in (
        (entry(16.5, 2, 3, "rome"), [3, 3], ("paris", "rome")),
        (entry(15.5, 2, 3, "rome"), [2.75, 2.75], ("paris", "rome")),
        (entry(10.5, 2, 3, "rome"), [0.25, 0.25], ("paris", "rome")),
        (entry(10, 2, 5, "rome"), [5], ("rome",)),
        (entry(11, 2, 3, "paris"), [3], ("paris",)),
        (entry(14, 2, 3, "paris"), [4 + MARGIN * 14], ("paris",)),
    ):
        (book,) = fold([Edit((first,)), Edit((second,))])
        assert isinstance(book, Codebook)
        assert (book.radii.tolist(), book.labels) == (pytest.approx(radii), labels)
        assert book.values[-1].item() == 2
        assert fold([Edit((first,))]) == (first,), "the edits themselves do not change"


def test_books_of_other_places_stay_apart() -> None:
    plain = entry(0, 1, 1, "x")
    others = (replace(plain, where="all"), replace(plain, reads="r"), replace(plain, values=torch.ones(1, 2)))
    assert len(fold([Edit((plain, *others))])) == 4

    class Quiet(Codebook):
        """Derives from a codebook and acts otherwise."""

    assert len(fold([Edit((plain,)), Edit((Quiet(**vars(plain)),)), Edit((plain,))])) == 3


# ---- action


def book(backbone: Backbone, where: str, seed: int = 0) -> Codebook:
    """Entries for the first and the third query, whose radii hold no other one."""
    # the first layer of Gemma's window does not see the picture from the question's last token
    ffn = backbone.anatomy.ffn(1 if "gemma3" in backbone.name else 0)
    states = backbone.states(QUERIES, TARGETS, [ffn[0]])
    keys = torch.stack([own[ffn[0]][0] for own in states])
    apart = torch.cdist(keys, keys).fill_diagonal_(math.inf).min()
    assert apart > 0.1
    values = normal(2, backbone.weight(ffn[-1]).shape[0], seed=seed, scale=4)
    return Codebook(ffn[0], ffn[-1], where, keys[[0, 2]], values, (apart / 2).repeat(2), ("a", "c"))


ENTRY_OF = {0: 0, 2: 1}
"""Entry of the book by index of the query."""


def by_hand(backbone: Backbone, own: Codebook, number: int, row: Row) -> Tensor:
    """Logits [positions, vocabulary] of one row alone, with the value put where `where` says."""
    ends = row.length - len(row.answer)
    places = {"last": slice(ends - 1, ends), "prompt": slice(0, ends), "all": slice(0, row.length)}

    def put(_: nn.Module, args: Any, output: Tensor) -> Tensor:
        if number not in ENTRY_OF:
            return output
        states = output.clone().reshape(row.length, -1)
        states[places[own.where]] = own.values[ENTRY_OF[number]]
        return states.reshape(output.shape)

    handle = backbone.model.get_submodule(own.writes).register_forward_hook(put)
    with torch.no_grad():
        batch = backbone._batch([row])
        logits = backbone.family.run(batch, keep=row.length)
    handle.remove()
    return logits[0]


@pytest.mark.parametrize("where", WHERE)
def test_each_row_has_its_own_value_where_it_belongs(backbone: Backbone, where: str) -> None:
    own = book(backbone, where)
    view = backbone.edited(Edit((own,)))
    together, bare = view.logits(QUERIES, TARGETS), backbone.logits(QUERIES, TARGETS)
    for number, (query, target) in enumerate(zip(QUERIES, TARGETS, strict=True)):
        row = backbone._encoder.row(query, "", target)
        expected = by_hand(backbone, own, number, row)[-len(row.answer) - 1 : -1]
        assert torch.allclose(together[number], expected, atol=2e-3), number
        (alone,) = view.logits([query], [target])
        assert torch.allclose(alone, expected, atol=2e-3), "padding and neighbours do not matter"
        if number in ENTRY_OF:
            assert (together[number] - bare[number]).abs().max() > 0.1
        else:
            assert torch.equal(together[number], bare[number]), "to the bit"


@pytest.mark.parametrize("where", WHERE)
def test_an_answer_keeps_the_value_that_its_question_found(backbone: Backbone, where: str) -> None:
    """Decoding with a cache against one whole pass per token, in which the question's end is known."""
    own = book(backbone, where, seed=3)
    answers = backbone.edited(Edit((own,))).answer(QUERIES, 6)
    for number, query in enumerate(QUERIES):
        row, written = backbone._encoder.row(query), list[int]()
        while len(written) < 6:
            longer = replace(row, answer=tuple(written), length=row.length + len(written))
            token = int(by_hand(backbone, own, number, longer)[-1].argmax())
            if token in backbone.family.ends:
                break
            written.append(token)
        said = backbone.tokenizer.decode(written, skip_special_tokens=True).strip()
        assert answers[number] == said, number


def test_the_context_is_part_of_the_question() -> None:
    backbone = tiny_backbone("llama")
    own, context = book(backbone, "last"), Edit((Context("New Fact: the ball is green. "),))
    with_book = backbone.edited(Edit((own,)), context).logits(QUERIES, TARGETS)
    without = backbone.edited(context).logits(QUERIES, TARGETS)
    assert all(torch.equal(a, b) for a, b in zip(with_book, without, strict=True)), "other keys are asked"


def test_gradients_reach_the_value_of_the_row_and_no_other() -> None:
    backbone = tiny_backbone("opt")
    own = book(backbone, "prompt")
    carried, new = own._only([0]), own._only([1])
    value = new.values.clone().requires_grad_()
    trial = Edit((replace(new, values=value),))
    view = backbone.edited(Edit((carried,)))
    view.loss([QUERIES[2]], [TARGETS[2]], trial).backward()  # type: ignore[no-untyped-call]
    assert value.grad is not None and value.grad.abs().max() > 0
    value.grad = None
    loss = view.loss([QUERIES[0]], [TARGETS[0]], trial)
    assert not loss.requires_grad or not torch.autograd.grad(loss, value)[0].any()


# ---- as a value


def test_a_book_is_saved_and_loaded_as_it_is(tmp_path: Path) -> None:
    backbone = tiny_backbone("llama")
    edit = Edit((book(backbone, "all"),), {"met": "nothing"})
    edit.save(tmp_path / "edit")
    again = Edit.load(tmp_path / "edit")
    assert again == edit and again.note == edit.note
    (own,) = again.interventions
    assert own.first_layer(backbone.anatomy) == 0
    assert own.nbytes == sum(tensor.nbytes for tensor in own.tensors().values()) + 2
    assert backbone.edited(again).answer(QUERIES, 4) == backbone.edited(edit).answer(QUERIES, 4)


WRONG: dict[str, tuple[Callable[[Codebook], Codebook], str]] = {
    "two labels": (lambda own: replace(own, labels=("a",)), r"of 1 labels: keys \(2, 32\)"),
    "no entries": (lambda own: own._only([]), "of 0 labels"),
    "a radius too few": (lambda own: replace(own, radii=own.radii[:1]), r"radii \(1,\)"),
    "another place": (lambda own: replace(own, where="first"), "'first'; choose one of last, prompt, all"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_book_that_makes_no_sense_is_refused(what: str) -> None:
    change, message = WRONG[what]
    own = book(tiny_backbone("opt"), "last")
    with pytest.raises(BenchError, match=message):
        change(own)


def test_widths_must_fit_the_backbone() -> None:
    backbone = tiny_backbone("opt")
    own = book(backbone, "last")
    for changed, message in (
        (replace(own, keys=own.keys[:, :3]), "keys have width 3, not 32"),
        (replace(own, values=own.values[:, :5]), "values have width 5, not 32"),
        (replace(own, reads="language_model.nowhere"), "no module"),
    ):
        with pytest.raises(BenchError, match=message):
            backbone.edited(Edit((changed,))).answer(QUERIES[:1], 1)


def test_a_model_that_is_run_without_saying_where_questions_end_is_no_guess() -> None:
    backbone = tiny_backbone("opt")
    with pytest.raises(BenchError, match="where questions end"):
        asked()
    row = backbone._encoder.row(QUERIES[0])
    batch = backbone._batch([row])
    with backbone.edited(Edit((book(backbone, "last"),)))._acting():
        with pytest.raises(BenchError, match="where questions end"):
            backbone.family.run(batch, keep=1)
        with asking([row.length]), pytest.raises(BenchError, match="begins after the end of its questions"):
            backbone.family.run(batch, keep=1)
    with asking([3, 0]):
        assert asked().after == (3, 0)
        with asking([1]):
            assert asked().after == (1,)
        assert asked().after == (3, 0)
