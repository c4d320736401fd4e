"""Side memories: routing position by position, shards that add up, joining against plain loops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Edit, SideMemory, WeightDelta, fold
from mmedit_bench.interventions.side_memory import ties
from tests.tiny import KNOWN, tiny_backbone, tiny_picture

QUERIES = [Query("where does the lion live?", tiny_picture(1)), Query("name the colour"), Query("fox")]
TARGETS = ["africa", "green", "a red fox"]


@pytest.fixture(params=KNOWN)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def normal(*shape: int, seed: int, scale: float = 0.3) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def memory(
    backbone: Backbone, seed: int = 0, shard: int = 0, least: float = 0.0, **changes: Any
) -> SideMemory:
    path = backbone.anatomy.ffn(1)[-1]
    delta = normal(1, *backbone.weight(path).shape, seed=seed)
    return replace(SideMemory(path, delta, (shard,), (least,), ratio=1.0, density=1.0), **changes)


def logits(backbone: Backbone, *items: Any) -> Tensor:
    edited = backbone.edited(*(Edit((item,)) for item in items))
    return torch.cat(edited.logits(QUERIES, TARGETS))


def test_eq2_eq3_a_position_reads_the_memory_that_it_wakes(backbone: Backbone) -> None:
    """The last layer's writer: what is said at a position depends on what is read there alone."""
    first, second = memory(backbone, 1, shard=0), memory(backbone, 2, shard=1)
    path = first.module
    activations = []
    for item in (first, second):
        for read in backbone.states(QUERIES, TARGETS, [path]):
            activations += [(item.deltas[0] @ x).norm().item() for x in read[path]]
    half = len(activations) // 2
    own, other = activations[:half], activations[half:]
    base = logits(backbone)
    with_first = logits(backbone, WeightDelta(path, first.deltas[0]))
    with_second = logits(backbone, WeightDelta(path, second.deltas[0]))
    routes, ranked = set(), sorted(activations)
    for quarter in (1, 2, 3):
        above = len(ranked) * quarter // 4
        # between two: what is read with an edit may differ in its last bits
        threshold = (ranked[above - 1] + ranked[above]) / 2
        both = (
            replace(first, least=(threshold,), shards_per_memory=1),
            replace(second, least=(threshold,), shards_per_memory=1),
        )
        found = logits(backbone, *both)
        for position, (a, b) in enumerate(zip(own, other, strict=True)):
            loudest = max(a, b)
            wanted = base if loudest < threshold else with_first if a >= b else with_second
            routes.add(id(wanted))
            assert torch.allclose(found[position], wanted[position], atol=1e-4)
    assert len(routes) == 3, "the thresholds should divide the positions"


def test_an_unreachable_threshold_changes_no_bit(backbone: Backbone) -> None:
    asleep = memory(backbone, least=1e9)
    assert torch.equal(logits(backbone, asleep), logits(backbone))
    assert backbone.edited(Edit((asleep,))).answer(QUERIES, 6) == backbone.answer(QUERIES, 6)


def test_decoding_and_teacher_forcing_agree_whatever_the_batch(backbone: Backbone) -> None:
    read = backbone.states(QUERIES, TARGETS, [backbone.anatomy.ffn(1)[-1]])
    norms = sorted(
        (memory(backbone).deltas[0] @ x).norm().item() for own in read for x in own[memory(backbone).module]
    )
    edited = backbone.edited(Edit((memory(backbone, least=norms[len(norms) // 2]),)))
    together = edited.answer(QUERIES, 6)
    assert together == [edited.answer([query], 6)[0] for query in QUERIES]
    spoken = [(query, text) for query, text in zip(QUERIES, together, strict=True) if text]
    for query, text in spoken:
        (forced,) = edited.score([query], [text])
        told = edited.tokenizer.decode(list((forced.argmax_ids or ())[:-1]), skip_special_tokens=True)
        if forced.target_ids[:-1] == forced.argmax_ids[:-1]:
            assert told.strip() == text


def test_deltas_of_a_shard_add_up_and_shards_stand_beside_each_other(backbone: Backbone) -> None:
    a, b, c = (
        memory(backbone, 1, least=3.0),
        memory(backbone, 2, least=2.0),
        memory(backbone, 3, 1, least=5.0),
    )
    (folded,) = fold([Edit((item,)) for item in (a, c, b)])
    assert isinstance(folded, SideMemory)
    assert folded.shards == (0, 1) and folded.least == (2.0, 5.0)
    assert torch.equal(folded.deltas[0], a.deltas[0] + b.deltas[0])
    assert torch.equal(folded.deltas[1], c.deltas[0])
    (without,) = fold([Edit((item,)) for item in (a, c)])
    (never,) = fold([Edit((a,)), Edit((c,))])
    assert without == never, "an edit that is taken out leaves nothing"
    (branch,) = folded.branches
    assert branch.threshold == 2.0
    retrieved = replace(folded, shards_per_memory=1).branches
    assert [one.threshold for one in retrieved] == [2.0, 5.0]


def test_memories_of_other_rules_do_not_merge(backbone: Backbone) -> None:
    for change in ({"ratio": 0.5}, {"density": 0.5}, {"shards_per_memory": 1}):
        assert len(fold([Edit((memory(backbone, 1),)), Edit((memory(backbone, 2, **change),))])) == 2


@given(st.integers(2, 4), st.integers(1, 3), st.integers(1, 4), st.floats(0.05, 1.0), st.integers(0, 999))
def test_ties_is_trim_elect_and_disjoint_mean(
    shards: int, rows: int, columns: int, density: float, seed: int
) -> None:
    deltas = normal(shards, rows, columns, seed=seed)
    deltas[normal(shards, rows, columns, seed=seed + 1) > 0] = 0
    kept = max(1, round(density * rows * columns))
    trimmed = deltas.tolist()
    for shard in range(shards):
        sizes = sorted((abs(x) for row in trimmed[shard] for x in row), reverse=True)
        trimmed[shard] = [[x if abs(x) >= sizes[kept - 1] else 0.0 for x in row] for row in trimmed[shard]]
    found = ties(deltas, density)
    for i in range(rows):
        for j in range(columns):
            entries = [trimmed[shard][i][j] for shard in range(shards)]
            sign = 1 if sum(entries) >= 0 else -1
            agreeing = [x for x in entries if x * sign > 0]
            mean = sum(agreeing) / len(agreeing) if agreeing else 0.0
            assert found[i, j].item() == pytest.approx(mean, abs=1e-5)


def test_one_shard_is_taken_as_it_is() -> None:
    delta = normal(1, 3, 4, seed=0)
    assert torch.equal(ties(delta, 0.1), delta[0])


def test_a_side_memory_survives_a_file(backbone: Backbone, tmp_path: Path) -> None:
    item = memory(backbone, 4, shard=3, least=0.25, shards_per_memory=2)
    Edit((item,)).save(tmp_path / "edit.safetensors")
    assert Edit.load(tmp_path / "edit.safetensors") == Edit((item,))


def test_half_precision_backbones_take_it(backbone: Backbone) -> None:
    half = tiny_backbone("llama", dtype="bfloat16")
    answers = half.edited(Edit((memory(half),))).answer(QUERIES, 4)
    assert len(answers) == len(QUERIES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shards": (0, 1)}, "are not"),
        ({"shards": (-1,)}, "ascending"),
        ({"density": 0.0}, "density"),
        ({"ratio": 1.5}, "ratio"),
        ({"shards_per_memory": -1}, "shards_per_memory"),
    ],
)
def test_what_makes_no_memory_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        memory(tiny_backbone("opt"), **changes)


def test_a_memory_of_another_shape_or_place_is_refused() -> None:
    backbone = tiny_backbone("opt")
    wrong = memory(backbone, deltas=normal(1, 3, 3, seed=0))
    with pytest.raises(BenchError, match="the side memory has"):
        backbone.edited(Edit((wrong,))).answer(QUERIES[:1])
    attention = memory(backbone, module=backbone.anatomy.attention(0))
    with pytest.raises(BenchError, match="beside linears"):
        backbone.edited(Edit((attention,))).answer(QUERIES[:1])
