"""Gathered retrieval against a slow formulation: every entry scored, and what is not read masked out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.interventions import AttentionMemory, Edit, Shared, WeightDelta, fold, recall
from mmedit_bench.interventions.heads import Heads
from mmedit_bench.interventions.recall import Nearness, Recall
from tests.tiny import FAMILIES, tiny_backbone

LAYER, WIDTH, SIZE = 1, 32, 16


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "POSITIONS", 4)
    monkeypatch.setattr(recall, "ENTRIES", 5)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def bank(count: int, seed: int) -> Shared:
    return Shared({"index": normal(count, WIDTH, seed=seed), "states": normal(count, WIDTH, seed=seed + 1)})


def sequence(lengths: tuple[int, ...], top_k: int, **changes: Any) -> AttentionMemory:
    """One memory of as many edits as there are lengths, with a store of 13 that all refer to."""
    items = [
        AttentionMemory(
            LAYER, normal(n, WIDTH, seed=i), normal(n, WIDTH, seed=50 + i), top_k,
            groups=(n,) if n else (), banks=(bank(13, 90),), **changes,
        )
        for i, n in enumerate(lengths)
    ]  # fmt: skip
    (one,) = fold([Edit((item,)) for item in items])
    assert isinstance(one, AttentionMemory)
    return one


def read_by(item: AttentionMemory, h: Tensor) -> list[set[int]]:
    """By position, the entries read, as the definition says it, in plain loops."""
    index, _ = item.entries()
    found = []
    for state in h:
        near = [float(cosine_similarity(state, entry, dim=0)) for entry in index]
        start, best, whole = 0, -math.inf, set[int]()
        for length in item.groups:
            own = set(range(start, start + length))
            if (nearest := max(near[i] for i in own)) > best:
                best, whole = nearest, own
            start += length
        rest = sorted(set(range(len(index))) - whole, key=lambda i: -near[i])
        found.append(whole | set(rest[: item.top_k]))
    return found


SEQUENCES = [((), 4), ((3,), 0), ((2,), 6), ((1, 4, 2), 0), ((1, 4, 2), 5), ((2, 2, 1, 3), 18), ((1, 5), 17)]


@pytest.mark.parametrize(("lengths", "top_k"), SEQUENCES)
def test_the_nearest_group_is_read_and_the_nearest_of_all_the_rest(
    lengths: tuple[int, ...], top_k: int
) -> None:
    item = sequence(lengths or (0,), top_k)
    h, nearness = normal(40, WIDTH, seed=7), Nearness(item.groups, top_k, item.entries()[0])
    chosen, taken = nearness.choose(h)
    rows = [one[own].tolist() for one, own in zip(chosen, taken, strict=True)]
    assert all(len(row) == len(set(row)) for row in rows)
    expected = read_by(item, h)
    assert [set(row) for row in rows] == expected
    if len(lengths) > 2 and top_k < 10:
        assert len({min(row) for row in expected}) > 1, "positions differ in their group"


def masked(item: AttentionMemory, tool: Recall, h: Tensor, query: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """h_know, log mass and mean state with all scores computed and masked."""
    _, states = item.entries()
    linears = (tool._heads.k, tool._heads.v)
    keys, values = (linear(states).reshape(len(states), -1, SIZE).transpose(0, 1)[None] for linear in linears)
    keys, values = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in (keys, values))
    read = torch.zeros(*h.shape[:2], len(states), dtype=torch.bool)
    for row, own in zip(read.reshape(-1, len(states)), read_by(item, h.reshape(-1, WIDTH)), strict=True):
        row[list(own)] = True
    scores = query @ keys.transpose(-1, -2) * tool._attention.scaling
    scores = scores.masked_fill(~read[:, None], -math.inf)
    shares = scores.softmax(-1)
    know = (shares @ values).transpose(1, 2).flatten(2)
    return know, scores.logsumexp(-1), shares.mean(1) @ states


@pytest.mark.parametrize(("lengths", "top_k"), SEQUENCES)
def test_gathering_equals_masking(backbone: Backbone, lengths: tuple[int, ...], top_k: int) -> None:
    coder = (normal(WIDTH, WIDTH, seed=1), normal(WIDTH, seed=2))
    item = sequence(lengths or (0,), top_k, gate="similarity", encoder=coder)
    attention: Any = backbone.model.get_submodule(backbone.anatomy.attention(LAYER))
    heads = Heads.of(attention, backbone.anatomy)
    out = getattr(attention, backbone.anatomy.attention_linears[3])
    found = []
    for slow in (False, True):
        states = item.states.clone().requires_grad_()
        own = replace(item, states=states)
        tool = Recall(own, attention, heads, out)
        h = normal(2, 5, WIDTH, seed=3)
        query = heads.q(h).reshape(2, 5, -1, SIZE).transpose(1, 2)
        if slow:
            parts = masked(own, tool, h, query)
        else:
            parts = tool._nearest(h, query)
        total = sum((part.square().sum() for part in parts), torch.zeros(()))
        if len(states):
            total.backward()  # type: ignore[no-untyped-call]
        found.append((*parts, states.grad if len(states) else torch.zeros(1)))
    for fast, plain in zip(*found, strict=True):
        assert torch.allclose(fast, plain, atol=2e-5 * max(1.0, plain.abs().max().item()))


def test_all_entries_take_the_direct_path_only_if_each_position_reads_all() -> None:
    index = normal(10, WIDTH)
    for groups, top_k, every in (((), 10, True), ((), 9, False), ((4,), 6, True), ((4,), 5, False)):
        assert Nearness(groups, top_k, index).all == every
    assert not Nearness((1, 4), 6, index).all and Nearness((1, 4), 9, index).all


def test_projections_are_kept_for_a_memory_as_it_is_and_for_weights_as_they_are() -> None:
    backbone = tiny_backbone("llama")
    entries = torch.randn(3, 12, 32, generator=torch.Generator().manual_seed(0))
    bank = Shared({"index": entries[0], "states": entries[1]})
    own = AttentionMemory(1, entries[2][:2].clone(), entries[2][2:4].clone(), 3, groups=(2,), banks=(bank,))
    queries, targets = [Query("what is this?"), Query("where does the fox live?")], ["paris", "asia"]
    key = backbone.model.get_submodule(f"{backbone.anatomy.attention(1)}.k_proj")
    counted: list[int] = []
    forward = key.forward
    key.forward = lambda x: (counted.append(x.shape[1]), forward(x))[1]  # no hook: a hook has a say

    def logits(memory: AttentionMemory, *others: Edit) -> list[torch.Tensor]:
        found = backbone.edited(Edit((memory,)), *others).logits(queries, targets)
        return [own.detach() for own in found]

    def projected() -> int:
        count = counted.count(14)  # as many as there are entries
        counted.clear()
        return count

    first = logits(own)
    assert projected() == 1
    with torch.no_grad():
        assert all(torch.equal(*pair) for pair in zip(first, logits(own), strict=True))
    assert projected() == 0
    copied = replace(own, index=own.index.clone(), states=own.states.clone())
    assert all(torch.equal(*pair) for pair in zip(first, logits(copied), strict=True))
    assert projected() == 1, "another object"
    own.states.mul_(2)
    changed = logits(own)
    assert not torch.equal(first[0], changed[0]) and projected() == 1
    delta = WeightDelta(f"{backbone.anatomy.attention(1)}.k_proj", torch.full(tuple(key.weight.shape), 0.1))
    edited = logits(own, Edit((delta,)))
    assert not torch.equal(changed[0], edited[0]) and projected() == 1
    assert torch.equal(changed[0], logits(own)[0])
    projected()
    with torch.no_grad():
        key.weight.mul_(1.5)
    assert not torch.equal(changed[0], logits(own)[0]) and projected() == 1
    trained = replace(own, states=own.states.clone().requires_grad_())
    for _ in range(2):
        backbone.loss(queries, targets, Edit((trained,))).backward()  # type: ignore[no-untyped-call]
    assert projected() == 2 and trained.states.grad is not None
