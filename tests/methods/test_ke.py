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

import methods.ke.editor
from methods.ke.editor import KEEditor, condition_text, lagrangian, shrink
from methods.ke.network import Conditioner, Gate, norm_of, unit_scale
from mmedit_bench.editors import Backbone, BenchError, Edit, EditRequest, Trained, WeightDelta
from mmedit_bench.harness.training import Training
from tests.methods.recording import Recorded, copied, far_apart, plain_divergence, plain_likelihood
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


def test_a_training_is_descent_on_the_lagrangian_and_ascent_in_its_multipliers(backbone: Backbone) -> None:
    """NLL of request, rewording and other picture + alpha_1 KL + alpha_2 |dW|, written out; step by step."""
    (case,) = tiny_cases(1)
    options: dict[str, Any] = {
        "steps": 3, "multiplier_lr": 20.0, "lr": 1e-3, "kl_margin": 0.01, "lp_margin": 0.001
    }  # fmt: skip
    training, editor = Recorded(), KEEditor(**FAST | options)
    editor.train(backbone, [case], training)
    (answer,) = backbone.answer([case.request.query])
    probes = {probe.kind: probe for probe in case.probes}
    network = editor.fresh(backbone, 0)
    others = {name: own for name, own in network.named_parameters() if name != "multipliers"}
    optimiser = torch.optim.RMSprop(others.values(), lr=1e-3, centered=True)
    for seen in training.seen["train"]:
        network.load_state_dict(dict(seen.before))
        text = f"{answer} >> {case.request.target} || {case.request.query.prompt}"
        _, gradients = backbone.gradients([case.request.query], [case.request.target], network.modules_edited)
        edit = network(backbone.embeddings(backbone.text_ids(text)), gradients)
        rows, ids = [], list[int]()
        for kind in ("reliability", "text_generality", "image_generality"):
            rows.append(backbone.logits([probes[kind].query], [probes[kind].reference], edit)[0])
            ids += backbone.answer_ids(probes[kind].reference)
        drifts = []
        for kind in ("text_locality", "image_locality"):
            asked = [probes[kind].query], [probes[kind].reference]
            drifts.append(plain_divergence(backbone.logits(*asked)[0], backbone.logits(*asked, edit)[0]))
        sizes = [t.square().mean().sqrt() for item in edit.interventions for t in item.tensors().values()]
        first, second = network.multipliers
        constraints = torch.stack([torch.stack(drifts).mean() - 0.01, torch.stack(sizes).mean() - 0.001])
        network.zero_grad()
        (plain_likelihood(torch.cat(rows), ids) + first * constraints[0] + second * constraints[1]).backward()  # type: ignore[no-untyped-call]
        assert (constraints > 0).all()
        risen = seen.before["multipliers"] + 20.0 * constraints.detach()
        assert torch.allclose(seen.after["multipliers"], risen, rtol=1e-3)
        torch.nn.utils.clip_grad_norm_(others.values(), 1.0)
        wanted = {name: own.grad for name, own in others.items() if own.grad is not None}
        found = {name: own for name, own in seen.gradients.items() if name != "multipliers"}
        assert far_apart(found, copied(wanted), 5e-3) == []
        for name, own in others.items():
            own.grad = seen.gradients[name]
        optimiser.step()
        assert far_apart({name: seen.after[name] for name in others}, copied(others)) == []
    assert (training.seen["train"][-1].before["multipliers"] > 0.1).all(), "both constraints were at work"


def test_held_out_cases_are_not_learned(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    learned, held = list[str](), list[str]()
    inner = methods.ke.editor.lesson

    def drawn(case: Any, *rest: Any) -> Any:
        learned.append(case.id)
        return inner(case, *rest)

    def took(self: KEEditor, network: Any, backbone: Backbone, request: EditRequest, answer: str) -> bool:
        held.append(request.id)
        return len(held) > 3  # nothing at the first look, everything at the later ones

    monkeypatch.setattr(methods.ke.editor, "lesson", drawn)
    monkeypatch.setattr(KEEditor, "_took", took)
    training = Recorded()
    options = FAST | {"steps": 12, "check_every": 4, "held_out": 3, "anneal": 0.5, "kl_margin": 0.4}
    KEEditor(**options).train(backbone, CASES, training)
    assert held == [case.id for case in CASES[:3]] * 3
    assert len(learned) == 12 and set(learned) <= {case.id for case in CASES[3:]}
    margins = [seen.after["margins"][0].item() for seen in training.seen["train"]]
    assert margins == pytest.approx([0.4] * 7 + [0.2] * 4 + [0.1]), "shrunk by what was held out"


def test_an_edit_is_conditioned_on_the_backbones_own_answer(backbone: Backbone) -> None:
    editor, tensors = trained(backbone)
    network = editor.fresh(backbone, 0)
    network.load_state_dict(tensors)
    _, gradients = backbone.gradients([REQUEST.query], [REQUEST.target], network.modules_edited)
    (own,) = backbone.answer([REQUEST.query])
    made = []
    for old in (own, REQUEST.target):
        read = backbone.embeddings(backbone.text_ids(f"{old} >> {REQUEST.target} || {REQUEST.query.prompt}"))
        with torch.no_grad():
            made.append(network(read, gradients))
    assert editor.edit(backbone, REQUEST) == made[0] != made[1]


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
