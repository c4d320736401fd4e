"""WISE: its routing loss against plain loops, what is trained on what, and shards of a sequence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.kept import kept_states
from methods.wise.editor import WISEEditor, mask, writer
from methods.wise.losses import routing_loss
from mmedit_bench.editors import Backbone, BenchError, Edit, SideMemory, WeightDelta
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

CASES = tiny_cases(6)
REQUESTS = [case.request for case in tiny_cases(4, "test")]
REQUEST = REQUESTS[0]


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def prepared(backbone: Backbone, **options: Any) -> WISEEditor:
    editor = WISEEditor(**{"lr": 0.05, "mask": 1.0, "steps": 60} | options)
    editor.prepare(backbone, CASES)
    return editor


def side_memory(edit: Edit) -> SideMemory:
    (item,) = edit.interventions
    assert isinstance(item, SideMemory)
    return item


activations = st.lists(st.floats(0, 40), min_size=1, max_size=5)


@given(activations, activations, st.floats(0, 10), st.floats(0, 30), st.floats(0, 20))
def test_eq5_the_routing_loss_is_the_mean_of_what_violates_each_margin(
    inside: list[float], outside: list[float], alpha: float, beta: float, gamma: float
) -> None:
    sums = 0.0
    for terms in (
        [x - alpha for x in outside],
        [beta - x for x in inside],
        [gamma - (a - b) for a in inside for b in outside],
    ):
        above = [term for term in terms if term > 0]
        sums += sum(above) / len(above) if above else 0.0
    found = routing_loss(
        torch.tensor(inside, dtype=torch.float64),
        torch.tensor(outside, dtype=torch.float64),
        alpha,
        beta,
        gamma,
    )
    assert found.item() == pytest.approx(sums, abs=1e-6)


def test_without_questions_to_be_kept_the_edit_is_still_to_wake() -> None:
    assert routing_loss(torch.tensor([1.0, 30.0]), torch.zeros(0), 5, 20, 10).item() == 19.0


def test_the_memory_is_woken_by_the_edit_and_says_its_target(backbone: Backbone) -> None:
    options: dict[str, Any] = {
        "alpha": 0.5, "beta": 1.0, "gamma": 0.5, "lr": 0.02, "steps": 400, "norm": 9.0, "routing_weight": 0.1,
    }  # fmt: skip
    editor = prepared(backbone, **options)
    edit = editor.edit(backbone, REQUEST)
    assert backbone.edited(edit).answer([REQUEST.query]) == [REQUEST.target]
    item = side_memory(edit)
    (read,) = backbone.states([REQUEST.query], [REQUEST.target], [item.module])
    inside = (read[item.module] @ item.deltas[0].T).norm(dim=-1)
    assert item.least == (pytest.approx(inside.min().item(), rel=1e-4),)
    loud = prepared(backbone, **options | {"routing_weight": 0.0}).edit(backbone, REQUEST)
    kept = kept_states(backbone, CASES, item.module)

    def apart(one: SideMemory) -> float:
        """How far the kept questions' loudest activations stay below the edit's least."""
        quiet = (kept @ one.deltas[0].T).norm(dim=-1)
        return one.least[0] / quiet.max().item()

    assert apart(item) > apart(side_memory(loud)), "the routing loss divides the two"


def test_the_answers_loss_is_taken_with_the_memory_read_everywhere(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Edit] = []
    inner = Backbone.loss

    def spied(self: Backbone, queries: Any, targets: Any, edit: Edit | None = None) -> Any:
        assert (list(queries), list(targets)) == ([REQUEST.query], [REQUEST.target])
        assert edit is not None
        seen.append(edit)
        return inner(self, queries, targets, edit)

    monkeypatch.setattr(Backbone, "loss", spied)
    editor = prepared(backbone, steps=2, kept=0, beta=0.0, gamma=0.0)
    made = side_memory(editor.edit(backbone, REQUEST))
    (first, *_), path = seen, writer(backbone, editor.settings(backbone))
    assert all(type(item) is WeightDelta and item.module == path for e in seen for item in e.interventions)
    # one step of plain gradient descent on the loss itself, from zero
    weight = torch.zeros_like(backbone.weight(path), dtype=torch.float32).requires_grad_()
    for _ in range(2):
        (slope,) = torch.autograd.grad(
            inner(backbone, [REQUEST.query], [REQUEST.target], Edit((WeightDelta(path, weight),))), weight
        )
        weight = (weight - 0.05 * slope).detach().clamp(-1, 1).requires_grad_()
    assert torch.allclose(made.deltas[0], weight, atol=1e-5)
    assert isinstance(first, Edit)


def test_an_edit_is_descent_on_the_answers_and_the_routing_loss(backbone: Backbone) -> None:
    """Within the shard's part of the weight, by plain gradient descent on the losses written out."""
    given: dict[str, Any] = {"alpha": 0.1, "beta": 50.0, "gamma": 1.0, "routing_weight": 0.5}
    editor = prepared(backbone, steps=5, mask=0.5, lr=0.02, threshold=0.0, norm=9.0, **given)
    found, path = side_memory(editor.edit(backbone, REQUEST)), backbone.anatomy.ffn(1)[-1]
    (read,) = backbone.states([REQUEST.query], [REQUEST.target], [path])
    quiet = kept_states(backbone, CASES, path)
    open_ = mask(0, tuple(backbone.weight(path).shape), 0.5)
    change = torch.zeros_like(open_)
    for _ in range(5):
        change.requires_grad_()
        edit = Edit((WeightDelta(path, open_ * change),))
        total = backbone.loss([REQUEST.query], [REQUEST.target], edit)
        woken = [(open_ * change @ x).norm() for x in read[path]]
        others = [(open_ * change @ x).norm() for x in quiet]
        for terms in (
            [other - 0.1 for other in others],
            [50.0 - own for own in woken],
            [1.0 - (own - other) for own in woken for other in others],
        ):
            above = [term for term in terms if term > 0]
            total = total + 0.5 * sum(above, torch.zeros(())) / max(1, len(above))
        (slope,) = torch.autograd.grad(total, change)
        change = (change - 0.02 * slope).detach()
    assert torch.allclose(found.deltas[0], open_ * change, atol=1e-4)
    assert change.abs().max() > 1e-2


def test_an_edit_goes_on_from_all_earlier_ones_of_its_shard(backbone: Backbone) -> None:
    editor, view = prepared(backbone, steps=4), backbone
    for request in REQUESTS[:2]:
        view = view.edited(editor.edit(view, request))
    first, second = (side_memory(edit) for edit in view.edits)
    third = side_memory(prepared(backbone, steps=0).edit(view, REQUESTS[2]))
    assert not third.deltas.any()
    (read,) = backbone.states([REQUESTS[2].query], [REQUESTS[2].target], [third.module])
    woken = (read[third.module] @ (first.deltas[0] + second.deltas[0]).T).norm(dim=-1)
    assert third.least == (pytest.approx(woken.min().item(), rel=1e-4),)


def test_the_side_memory_is_of_the_writing_linear(backbone: Backbone) -> None:
    path = backbone.anatomy.ffn(1)[-1]
    assert backbone.weight(path).shape[0] == 32, "what it writes is as wide as the model"
    assert side_memory(prepared(backbone, steps=1).edit(backbone, REQUEST)).module == path


def test_only_the_shards_part_of_the_weight_changes_and_within_the_norm(backbone: Backbone) -> None:
    editor = prepared(backbone, mask=0.2, norm=0.01, lr=1.0, steps=5)
    item = side_memory(editor.edit(backbone, REQUEST))
    shape = tuple(item.deltas.shape[1:])
    open_ = mask(0, shape, 0.2)
    assert item.deltas[0][open_ == 0].eq(0).all() and item.deltas[0].ne(0).any()
    assert item.deltas.abs().max() <= 0.01 + 1e-6
    assert abs(mask(1, (200, 200), 0.2).mean().item() - 0.2) < 0.01
    assert not torch.equal(mask(0, shape, 0.2), mask(1, shape, 0.2)) and torch.equal(
        mask(0, shape, 0.2), open_
    )


def test_a_shard_is_gone_on_from_and_others_are_not_seen(backbone: Backbone) -> None:
    editor = prepared(backbone, edits_per_shard=2, mask=0.5, steps=8, norm=0.05)
    view, made = backbone, []
    for request in REQUESTS:
        edit = editor.edit(view, request)
        made.append(side_memory(edit))
        view = view.edited(edit)
    assert [item.shards for item in made] == [(0,), (0,), (1,), (1,)]
    alone = side_memory(editor.edit(backbone, REQUESTS[1]))
    assert made[1] != alone, "the second edit of a shard begins at the first"
    fresh = side_memory(prepared(backbone, mask=0.5, steps=8, norm=0.05).edit(backbone, REQUESTS[2]))
    assert not torch.equal(made[2].deltas, fresh.deltas), "another shard has another part of the weight"
    assert made[2].deltas[0][mask(1, tuple(made[2].deltas.shape[1:]), 0.5) == 0].eq(0).all()
    # the third edit does not depend on the first shard: made after other edits of it, it is the same
    swapped = backbone.edited(Edit((made[1],)), Edit((made[0],)))
    assert side_memory(editor.edit(swapped, REQUESTS[2])) == made[2]
    assert (made[0].deltas[0] + made[1].deltas[0]).abs().max() <= 0.05 + 1e-6, "the norm bounds the sum"


def test_other_edits_carried_act_in_training(backbone: Backbone) -> None:
    editor = prepared(backbone, steps=3)
    path = backbone.anatomy.ffn(0)[-1]
    other = Edit((WeightDelta(path, 0.1 * torch.ones_like(backbone.weight(path))),))
    assert side_memory(editor.edit(backbone.edited(other), REQUEST)) != side_memory(
        editor.edit(backbone, REQUEST)
    )


def test_kept_states_are_what_the_layer_reads_at_locality_probes(backbone: Backbone) -> None:
    path = backbone.anatomy.ffn(1)[-1]
    expected = []
    for case in CASES[:2]:
        for probe in case.probes:
            if probe.kind in ("text_locality", "image_locality"):
                (read,) = backbone.states([probe.query], [probe.reference], [path])
                expected.append(read[path])
    assert torch.allclose(kept_states(backbone, CASES[:2], path), torch.cat(expected), atol=1e-4)
    assert kept_states(backbone, [], path).shape == (0, backbone.weight(path).shape[1])


def test_misuse_is_named(backbone: Backbone) -> None:
    with pytest.raises(BenchError, match="prepare"):
        WISEEditor().edit(backbone, REQUEST)
    with pytest.raises(BenchError, match=r"wise: option 'layer' is 5; .* -2 to 1"):
        prepared(backbone, layer=5)
