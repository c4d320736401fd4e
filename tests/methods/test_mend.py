"""MEND: gradients, identity, running statistics and the meta-gradient, each against a plain account."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from methods.lessons import divergence, drift, lesson, likelihood_loss
from methods.mend.editor import MENDEditor
from methods.mend.network import LowRankLayer, RunningNorm
from mmedit_bench.editors import Backbone, BenchError, Edit, LowRankDelta, Trained, WeightDelta
from mmedit_bench.harness.training import Training
from tests.methods.recording import Recorded, copied, far_apart, plain_divergence, plain_likelihood
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

CASES = tiny_cases(6)
REQUEST = tiny_cases(1, "test")[0].request
FAST: dict[str, Any] = {"layers": 2, "rank": 4, "steps": 4, "edit_lr": 0.1}


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained(backbone: Backbone, seed: int = 0, **options: Any) -> tuple[MENDEditor, Mapping[str, Tensor]]:
    editor = MENDEditor(**FAST | options)
    tensors = editor.train(backbone, CASES, Training(seed=seed))
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    editor.load(backbone, tensors)
    return editor, tensors


def deltas(edit: Edit) -> dict[str, Tensor]:
    found = {}
    for item in edit.interventions:
        assert isinstance(item, LowRankDelta)
        found[item.module] = item.left @ item.right
    return found


def test_the_sum_of_delta_ut_is_the_autograd_weight_gradient(backbone: Backbone) -> None:
    paths = [path for layer in range(2) for path in backbone.anatomy.ffn(layer)]
    _, gradients = backbone.gradients([REQUEST.query], [REQUEST.target], paths)
    zeros = {path: torch.zeros_like(backbone.weight(path)).requires_grad_() for path in paths}
    edit = Edit(tuple(WeightDelta(path, zero) for path, zero in zeros.items()))
    backbone.loss([REQUEST.query], [REQUEST.target], edit).backward()  # type: ignore[no-untyped-call]
    for path in paths:
        u, delta = gradients[path]
        summed = torch.zeros_like(zeros[path])
        for t in range(len(u)):
            summed = summed + torch.outer(delta[t], u[t])
        assert torch.allclose(summed, zeros[path].grad, atol=1e-5)  # type: ignore[arg-type]


def test_an_identity_initialised_editor_is_one_plain_sgd_step(backbone: Backbone) -> None:
    editor = MENDEditor(**FAST)
    editor.load(backbone, editor.fresh(backbone, seed=3).state_dict())
    found = deltas(editor.edit(backbone, REQUEST))
    zeros = {path: torch.zeros_like(backbone.weight(path)).requires_grad_() for path in found}
    optimiser = torch.optim.SGD(zeros.values(), lr=0.1)
    edit = Edit(tuple(WeightDelta(path, zero) for path, zero in zeros.items()))
    backbone.loss([REQUEST.query], [REQUEST.target], edit).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    for path, zero in zeros.items():
        assert torch.allclose(found[path], zero, atol=1e-6)
        assert zero.abs().max() > 0


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 50))
def test_running_statistics_are_those_of_everything_seen(sizes: list[int], seed: int) -> None:
    norm, rows = RunningNorm(3), [normal(size, 3, seed=seed + i) * 3 + 1 for i, size in enumerate(sizes)]
    for part in rows:
        norm.see(part)
    every = torch.cat(rows)
    assert torch.allclose(norm.mean, every.mean(0), atol=1e-4)
    if len(every) > 1:
        assert torch.allclose(norm(every), (every - every.mean(0)) / every.std(0), atol=1e-2, rtol=1e-2)
    else:
        assert torch.equal(norm(every), every)


def test_the_shared_layer_against_plain_loops_with_scale_and_offset_per_user() -> None:
    layer = LowRankLayer(4, 2, users=3, last=False, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for number, parameter in enumerate(layer.parameters()):
            parameter.copy_(normal(*parameter.shape, seed=number))
        x = normal(5, 4, seed=20)
        for user in range(3):
            found = layer(x, user)
            for row in range(5):
                low = [sum(float(layer.v[r, j] * x[row, j]) for j in range(4)) for r in range(2)]
                for i in range(4):
                    inner = sum(float(layer.u[i, r]) * low[r] for r in range(2)) + float(layer.b[i])
                    inner = float(layer.scale[user, i]) * inner + float(layer.offset[user, i])
                    assert found[row, i].item() == pytest.approx(float(x[row, i]) + max(inner, 0), abs=1e-4)


def test_divergence_and_likelihood_against_plain_sums() -> None:
    before, after = [normal(2, 5), normal(3, 5, seed=1)], [normal(2, 5, seed=2), normal(3, 5, seed=3)]
    total = 0.0
    for p, q in zip(torch.cat(before).softmax(-1), torch.cat(after).softmax(-1), strict=True):
        total += sum(float(p[i] * (p[i].log() - q[i].log())) for i in range(5))
    assert divergence(before, after).item() == pytest.approx(total / 5, abs=1e-5)
    assert divergence(before, before).item() == pytest.approx(0, abs=1e-6)
    answers = [[0, 4], [1, 2, 3]]
    picked = [
        float(row.log_softmax(-1)[i])
        for own, answer in zip(before, answers, strict=True)
        for row, i in zip(own, answer, strict=True)
    ]
    assert likelihood_loss(before, answers).item() == pytest.approx(-sum(picked) / 5, abs=1e-5)


def test_the_meta_gradient_agrees_with_finite_differences(backbone: Backbone) -> None:
    backbone.model.double()
    editor = MENDEditor(**FAST)
    network = editor.fresh(backbone, seed=1)
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.add_(0.05 * normal(*parameter.shape, seed=number))
    import random

    drawn = lesson(CASES[0], random.Random(0))
    _, gradients = backbone.gradients([REQUEST.query], [REQUEST.target], network.modules_edited)
    network.see(gradients)

    def objective() -> Tensor:
        edit = network(gradients)
        queries, targets = drawn.changed
        logits = backbone.logits(queries, targets, edit)
        text, image = drift(backbone, edit, drawn)
        return likelihood_loss(logits, [backbone.answer_ids(t) for t in targets]) + text + image

    network.zero_grad()
    objective().backward()  # type: ignore[no-untyped-call]
    checked = 0
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        place = int(parameter.grad.abs().argmax())
        analytic = parameter.grad.flatten()[place].item()
        if abs(analytic) < 1e-2:
            continue
        epsilon, values = 2e-3, []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.flatten()[place] += sign * epsilon
            values.append(objective().item())
            with torch.no_grad():
                parameter.flatten()[place] -= sign * epsilon
        assert (values[0] - values[1]) / (2 * epsilon) == pytest.approx(analytic, rel=0.05, abs=5e-3), name
        checked += 1
    assert checked >= 3


def test_a_training_is_adam_on_the_published_objective(backbone: Backbone) -> None:
    """0.7 (NLL reworded + NLL other picture) + 0.3 (KL text + KL image), written out; step by step."""
    (case,) = tiny_cases(1)
    options: dict[str, Any] = {
        "change": 0.7, "keep": 0.3, "clip": 1e9, "edit_lr": 0.3, "lr": 0.02, "step_lr": 0.05
    }  # fmt: skip
    training, editor = Recorded(), MENDEditor(**FAST | options)
    editor.train(backbone, [case], training)
    probes = {probe.kind: probe for probe in case.probes}
    network = editor.fresh(backbone, 0)
    groups = [
        {"params": [p for name, p in network.named_parameters() if name != "steps"], "lr": 0.02},
        {"params": [network.steps], "lr": 0.05},
    ]
    optimiser = torch.optim.Adam(groups)

    def logits(kind: str, edit: Edit | None = None) -> Tensor:
        return backbone.logits([probes[kind].query], [probes[kind].reference], edit)[0]

    for seen in training.seen["train"]:
        network.load_state_dict(dict(seen.before))
        _, gradients = backbone.gradients([case.request.query], [case.request.target], network.modules_edited)
        network.see(gradients)
        edit = network(gradients)
        total = torch.zeros(())
        for kind in ("text_generality", "image_generality"):
            ids = backbone.answer_ids(probes[kind].reference)
            total = total + 0.7 * plain_likelihood(logits(kind, edit), ids)
        for kind in ("text_locality", "image_locality"):
            total = total + 0.3 * plain_divergence(logits(kind), logits(kind, edit))
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        wanted = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        assert far_apart(seen.gradients, copied(wanted)) == []
        for name, parameter in network.named_parameters():
            parameter.grad = seen.gradients[name]
        optimiser.step()
        assert far_apart(seen.after, copied(network.state_dict())) == []


def test_each_edited_layer_has_a_scale_and_an_offset_of_its_own(backbone: Backbone) -> None:
    editor = MENDEditor(**FAST)
    network = editor.fresh(backbone, seed=0)
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.add_(0.05 * normal(*parameter.shape, seed=number))
    _, gradients = backbone.gradients([REQUEST.query], [REQUEST.target], network.modules_edited)
    users = {path: backbone.weight(path).shape for path in network.modules_edited}
    for path, shape in users.items():
        number = [own for own in users if users[own] == shape].index(path)
        key = f"{shape[1]}x{shape[0]}"
        for name in (f"networks.{key}.second.scale", f"networks.{key}.second.offset"):
            before = deltas(network(gradients))
            with torch.no_grad():
                network.get_parameter(name)[number].add_(0.5)
            after = deltas(network(gradients))
            moved = [own for own in users if not torch.equal(before[own], after[own])]
            assert moved == [path], name


def test_training_lowers_its_loss_and_repeats_its_bytes(backbone: Backbone) -> None:
    options: dict[str, Any] = {"steps": 60, "lr": 3e-3, "edit_lr": 0.3, "step_lr": 1e-2, "change": 1.0}
    training = Training(seed=0)
    MENDEditor(**FAST | options).train(backbone, CASES, training)
    curve = [row["reworded"] + row["redrawn"] for row in training.curves["train"]]
    assert sum(curve[-15:]) < sum(curve[:15])
    (_, first), (_, second), (_, other) = (trained(backbone, seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_stopped_training_ends_as_an_undisturbed_one(backbone: Backbone, tmp_path: Path) -> None:
    _, whole = trained(backbone)
    editor = MENDEditor(**FAST)
    calls = 0

    class Stopped(Exception):
        pass

    def report(label: str, done: int, total: int, values: Mapping[str, float]) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Stopped

    with pytest.raises(Stopped):
        editor.train(backbone, CASES, Training(0, tmp_path, report=report, every_seconds=0))
    resumed = editor.train(backbone, CASES, Training(0, tmp_path))
    assert all(torch.equal(whole[name], tensor) for name, tensor in resumed.items())


def test_an_edit_is_low_rank_and_survives_a_file(backbone: Backbone, tmp_path: Path) -> None:
    editor, _ = trained(backbone)
    assert isinstance(editor, Trained)
    edit = editor.edit(backbone, REQUEST)
    assert len(edit.interventions) == len([p for layer in range(2) for p in backbone.anatomy.ffn(layer)])
    edit.save(tmp_path / "edit.safetensors")
    assert Edit.load(tmp_path / "edit.safetensors") == edit
    assert editor.edit(backbone, REQUEST) == edit
    # in a sequence the gradient is that of the edited model
    assert editor.edit(backbone.edited(edit), REQUEST) != edit


def test_misuse_is_named(backbone: Backbone) -> None:
    with pytest.raises(BenchError, match="must be loaded"):
        MENDEditor().edit(backbone, REQUEST)
    with pytest.raises(BenchError, match="'layers' is 9"):
        MENDEditor(layers=9).fresh(backbone, 0)


def test_a_number_that_never_varied_is_not_blown_up() -> None:
    norm = RunningNorm(2)
    norm.see(torch.tensor([[0.0, 1.0], [0.0, 3.0], [0.0, 5.0]]))
    assert torch.allclose(norm(torch.tensor([[0.5, 5.0]])), torch.tensor([[0.5, 1.0]]), atol=1e-5)
