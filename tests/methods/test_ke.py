"""KnowledgeEditor: gating, constraint and multipliers against plain accounts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cosine_similarity

from methods.ke.editor import KEEditor, condition_text, lagrangian, shrink
from methods.ke.network import Conditioner, Gate, norm_of, unit_scale
from mmedit_bench.editors import Backbone, BenchError, Edit, Trained, WeightDelta
from mmedit_bench.harness.training import Training
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

CASES = tiny_cases(8)
REQUEST = tiny_cases(1, "test")[0].request
FAST: dict[str, Any] = {"layers": 1, "lstm": 4, "condition": 6, "hidden": 5, "steps": 4, "held_out": 2}


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained(backbone: Backbone, seed: int = 0, **options: Any) -> tuple[KEEditor, dict[str, Tensor]]:
    editor = KEEditor(**FAST | options)
    found = editor.train(backbone, CASES, Training(seed=seed))
    tensors = {name: tensor.detach().clone() for name, tensor in found.items()}
    editor.load(backbone, tensors)
    return editor, tensors


@given(st.integers(1, 4), st.integers(1, 4), st.floats(0.1, 5), st.integers(0, 50))
def test_the_gate_is_the_published_formula(rows: int, columns: int, scale: float, seed: int) -> None:
    torch.manual_seed(seed)
    gate = Gate(3, 5, rows, columns, scale)
    c, gradient = normal(3, seed=seed), normal(rows, columns, seed=seed + 1)
    with torch.no_grad():
        out = gate.second(torch.tanh(gate.first(c))).tolist()
        found = gate(c, gradient)
    a_row, rest = out[:rows], out[rows:]
    a_col, rest = rest[:columns], rest[columns:]
    b_row, rest = rest[:rows], rest[rows:]
    b_col, (eta,) = rest[:columns], rest[columns:]
    a_sum, b_sum = (sum(math.exp(x) for x in row) for row in (a_row, b_row))
    for i in range(rows):
        for j in range(columns):
            a = math.exp(a_row[i]) / a_sum * a_col[j]
            b = math.exp(b_row[i]) / b_sum * b_col[j]
            expected = scale / (1 + math.exp(-eta)) * (a * float(gradient[i, j]) + b)
            assert found[i, j].item() == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_an_untrained_gate_goes_down_a_gradient_of_unit_scale() -> None:
    torch.manual_seed(0)
    gate, gradient = Gate(3, 5, 6, 4, 1.0), normal(6, 4)
    scaled = unit_scale(gradient)
    assert scaled.norm().item() == pytest.approx(6, rel=1e-5)
    assert torch.allclose(scaled / 6, gradient / gradient.norm(), atol=1e-6)
    assert unit_scale(torch.zeros(2, 2)).abs().max() == 0
    with torch.no_grad():
        delta = gate(normal(3), scaled)
    assert cosine_similarity(delta.flatten(), -gradient.flatten(), dim=0) > 0.5


def test_the_conditioner_reads_both_directions() -> None:
    torch.manual_seed(0)
    conditioner = Conditioner(3, 4, 5)
    text = normal(6, 3)
    with torch.no_grad():
        c = conditioner(text)
        states, _ = conditioner.lstm(text[None])
        ends = torch.cat([states[0, -1, :4], states[0, 0, 4:]])
        assert torch.allclose(c, torch.tanh(conditioner.out(ends)), atol=1e-6)
        assert not torch.allclose(c, conditioner(text.flip(0)))


def test_the_norm_is_a_mean_over_matrices_of_any_shape() -> None:
    a, b = normal(2, 3), normal(4, 5, seed=1)
    edit = Edit((WeightDelta("a", a), WeightDelta("b", b)))
    expected = sum(math.sqrt(sum(float(x) ** 2 for x in t.flatten()) / t.numel()) for t in (a, b)) / 2
    assert norm_of(edit).item() == pytest.approx(expected, rel=1e-5)


def test_the_lagrangian_goes_up_in_a_multiplier_exactly_where_its_constraint_is_violated() -> None:
    multipliers = torch.tensor([0.5, 0.5], requires_grad=True)
    constraints, margins = torch.tensor([0.3, 0.01]), torch.tensor([0.1, 0.1])
    value = lagrangian(torch.tensor(2.0), constraints, margins, multipliers)
    assert value.item() == pytest.approx(2 + 0.5 * 0.2 - 0.5 * 0.09)
    value.backward()  # type: ignore[no-untyped-call]
    assert multipliers.grad is not None
    assert multipliers.grad[0] > 0 > multipliers.grad[1]


def test_margins_shrink_only_after_success_and_not_below_their_floors() -> None:
    margins, floors = torch.tensor([1.0, 0.1]), torch.tensor([0.9, 1e-3])
    shrink(margins, floors, 0.9, 0.9, 0.8)
    assert margins.tolist() == pytest.approx([1.0, 0.1])
    shrink(margins, floors, 0.91, 0.9, 0.8)
    assert margins.tolist() == pytest.approx([0.9, 0.08])


def test_training_keeps_multipliers_at_or_above_zero_and_raises_them_while_violated(
    backbone: Backbone,
) -> None:
    training = Training(seed=0)
    KEEditor(**FAST | {"kl_margin": 1e-9, "lp_margin": 1e9, "steps": 8}).train(backbone, CASES, training)
    curve = training.curves["train"]
    assert all(row["norm_multiplier"] == 0 for row in curve)
    kl = [row["kl_multiplier"] for row in curve]
    assert kl == sorted(kl) and kl[-1] > 0


def test_training_lowers_the_loss_of_the_change(backbone: Backbone) -> None:
    training = Training(seed=0)
    options: dict[str, Any] = {"steps": 80, "lr": 5e-3, "scale": 5.0, "multiplier_lr": 0.0}
    KEEditor(**FAST | options).train(backbone, CASES, training)
    curve = [row["change"] for row in training.curves["train"]]
    assert sum(curve[-15:]) < sum(curve[:15])


def test_the_same_seed_gives_the_same_bytes_also_after_a_stop(backbone: Backbone, tmp_path: Path) -> None:
    (_, first), (_, second), (_, other) = (trained(backbone, seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)

    class Stopped(Exception):
        pass

    def report(label: str, done: int, total: int, values: Mapping[str, float]) -> None:
        if done == 3:
            raise Stopped

    editor = KEEditor(**FAST)
    with pytest.raises(Stopped):
        editor.train(backbone, CASES, Training(0, tmp_path, report=report, every_seconds=0))
    resumed = editor.train(backbone, CASES, Training(0, tmp_path))
    assert all(torch.equal(first[name], tensor) for name, tensor in resumed.items())


def test_an_edit_is_made_of_dense_deltas_of_the_last_layers(backbone: Backbone, tmp_path: Path) -> None:
    editor, _ = trained(backbone)
    assert isinstance(editor, Trained)
    edit = editor.edit(backbone, REQUEST)
    assert tuple(
        path for item in edit.interventions for path in item.modules(backbone.anatomy)
    ) == backbone.anatomy.ffn(1)
    assert all(t.isfinite().all() for item in edit.interventions for t in item.tensors().values())
    assert editor.edit(backbone, REQUEST) == edit
    edit.save(tmp_path / "edit.safetensors")
    assert Edit.load(tmp_path / "edit.safetensors") == edit


def test_the_condition_holds_old_answer_new_answer_and_question() -> None:
    assert condition_text(REQUEST, "rome") == f"rome >> {REQUEST.target} || {REQUEST.query.prompt}"


def test_misuse_is_named(backbone: Backbone) -> None:
    with pytest.raises(BenchError, match="must be loaded"):
        KEEditor().edit(backbone, REQUEST)
    with pytest.raises(BenchError, match="'layers' is 0"):
        KEEditor(layers=0).fresh(backbone, 0)
