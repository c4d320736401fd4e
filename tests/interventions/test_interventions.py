"""Interventions as values: shapes, equality, saving and loading, first layers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from mmedit_bench.backbones.anatomy import ROWS
from mmedit_bench.cases import Query
from mmedit_bench.errors import BadRecord, BenchError, Collision, UnknownName
from mmedit_bench.interventions import (
    ConstantAnswer,
    Context,
    Edit,
    ExtraNeurons,
    Intervention,
    LowRankDelta,
    NotSavable,
    Route,
    WeightDelta,
    register_intervention,
)

DTYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64])
SIZES = st.integers(1, 4)
NAMES = st.text(min_size=1, max_size=20)


@st.composite
def tensors(draw: st.DrawFn, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    return torch.randn(shape, generator=generator).to(draw(DTYPES))


@st.composite
def interventions(draw: st.DrawFn) -> Intervention:
    a, b, r = draw(SIZES), draw(SIZES), draw(SIZES)
    match draw(st.integers(0, 4)):
        case 0:
            return WeightDelta(draw(NAMES), draw(tensors(a, b)))
        case 1:
            return LowRankDelta(draw(NAMES), draw(tensors(a, r)), draw(tensors(r, b)))
        case 2:
            pairs = [draw(tensors(a, b)) for _ in range(2)]
            up = draw(st.none() | tensors(a, b))
            return ExtraNeurons(draw(SIZES), pairs[0], draw(tensors(a)), pairs[1], up)
        case 3:
            return Context(draw(st.text()))
        case _:
            return Route(ConstantAnswer(draw(st.text())))


@settings(max_examples=60, deadline=None)
@given(st.lists(interventions(), max_size=4), st.dictionaries(st.text(), st.text(), max_size=3))
def test_loading_gives_back_what_was_saved(items: list[Intervention], note: dict[str, str]) -> None:
    edit = Edit(tuple(items), note)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edit.safetensors"
        edit.save(path)
        loaded = Edit.load(path)
    assert loaded == edit
    assert hash(loaded) == hash(edit)
    assert (loaded.nbytes, loaded.parameter_count) == (edit.nbytes, edit.parameter_count)


def test_saving_copies_views_shared_and_trained_tensors(tmp_path: Path) -> None:
    base = torch.randn(3, 4, requires_grad=True)
    edit = Edit((WeightDelta("a", base), WeightDelta("b", base.T), WeightDelta("c", base[:2])))
    edit.save(tmp_path / "edit.safetensors")
    loaded = Edit.load(tmp_path / "edit.safetensors")
    assert loaded == edit
    assert not any(t.requires_grad for item in loaded.interventions for t in item.tensors().values())


def test_equality_sees_values_dtypes_and_types() -> None:
    one = WeightDelta("a", torch.ones(2, 2))
    assert one == WeightDelta("a", torch.ones(2, 2))
    assert one != WeightDelta("b", torch.ones(2, 2))
    assert one != WeightDelta("a", torch.zeros(2, 2))
    assert one != WeightDelta("a", torch.ones(2, 2, dtype=torch.float64))
    assert one != Context("a")
    assert Context("") != 3


def test_size_counts_all_tensors() -> None:
    low = LowRankDelta("b", torch.zeros(5, 1).half(), torch.zeros(1, 4).half())
    edit = Edit((WeightDelta("a", torch.zeros(2, 3)), low))
    assert edit.parameter_count == 6 + 5 + 4
    assert edit.nbytes == 4 * 6 + 2 * (5 + 4)
    assert Edit().nbytes == 0


def test_size_counts_texts() -> None:
    route = Route(ConstantAnswer("été"))
    assert Edit((Context("New Fact: x\n"), route)).nbytes == 12 + 5


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (lambda: WeightDelta("m", torch.zeros(3)), "m: shape"),
        (lambda: LowRankDelta("m", torch.zeros(3, 2), torch.zeros(3, 2)), "m: shapes"),
        (lambda: ExtraNeurons(1, torch.zeros(2, 3), torch.zeros(3), torch.zeros(2, 3)), "layer 1"),
        (lambda: ExtraNeurons(1, torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 4)), "layer 1"),
        (lambda: ExtraNeurons(1, *(torch.zeros(s) for s in ((2, 3), (2,), (2, 3), (1, 3)))), "up_keys"),
        (lambda: Edit(("text",)), "not a str"),  # type: ignore[arg-type]
    ],
)
def test_misshapen_values_are_refused(build: Any, word: str) -> None:
    with pytest.raises(BenchError, match=word):
        build()


def test_route_with_code_says_why_it_cannot_be_saved(tmp_path: Path) -> None:
    def short(query: Query) -> bool:
        return len(query.prompt) < 9

    edit = Edit((Route(ConstantAnswer("x", short)),))
    with pytest.raises(NotSavable, match="holds code"):
        edit.save(tmp_path / "edit.safetensors")
    assert not (tmp_path / "edit.safetensors").exists()


def test_files_that_are_no_edits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "edit.safetensors"
    with pytest.raises(BadRecord, match="no such edit file"):
        Edit.load(path)
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(BadRecord, match="not a safetensors file"):
        Edit.load(path)
    for edit, field in (
        (None, "'edit'"),
        ('{"format": "1"}', "'format'"),
        ("[", "'edit'"),
        ("{}", "'edit'"),
        (_described({"kind": "context", "plain": {"words": ""}, "tensors": []}), "'edit'"),
        (_described({"kind": "context", "plain": {}, "tensors": ["x"]}), "'edit'"),
    ):
        save_file({}, path, {"edit": edit} if edit else {"a": "b"})
        with pytest.raises(BadRecord, match=field):
            Edit.load(path)
    unknown = _described({"kind": "nonsense", "plain": {}, "tensors": []})
    save_file({}, path, {"edit": unknown})
    with pytest.raises(UnknownName, match=r"'nonsense' \(known: .*weight_delta"):
        Edit.load(path)


def _described(item: dict[str, Any]) -> str:
    return json.dumps({"format": "3", "interventions": [item], "note": {}})


@dataclass(frozen=True, eq=False)
class Shift(Intervention):
    """A type of a third party."""

    by: Tensor

    def tensors(self) -> Mapping[str, Tensor]:
        return {"by": self.by}


def test_third_parties_can_add_types(tmp_path: Path) -> None:
    edit = Edit((Shift(torch.ones(2)),))
    with pytest.raises(NotSavable, match="register_intervention"):
        edit.save(tmp_path / "edit.safetensors")
    register_intervention("test_shift", Shift)
    register_intervention("test_shift", Shift)
    edit.save(tmp_path / "edit.safetensors")
    assert Edit.load(tmp_path / "edit.safetensors") == edit
    with pytest.raises(Collision, match="Shift"):
        register_intervention("test_shift", Context)


def test_first_layer_is_the_lowest_one_touched() -> None:
    row = ROWS["blip-2", "opt"]
    layout = replace(row, layer_count=6)
    zero = torch.zeros(1, 1)
    neurons = ExtraNeurons(4, zero, zero[0], zero)
    table: list[tuple[tuple[Intervention, ...], int | None]] = [
        ((), None),
        ((Context(""),), None),
        ((Route(ConstantAnswer("")),), None),
        ((WeightDelta(f"{row.layers}.3.fc2", zero),), 3),
        ((WeightDelta(f"{row.layers}.5.fc2", zero), neurons), 4),
        ((WeightDelta(row.head, zero),), 6),
        ((WeightDelta("qformer.encoder.layer.0.output.dense", zero), neurons), 0),
        ((neurons, Context("so: ")), 0),
    ]
    for items, layer in table:
        assert Edit(items).first_layer(layout) == layer
