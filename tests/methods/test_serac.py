"""SERAC: scope, counterfactual model and the port's mixture against plain accounts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import methods.serac.counterfactual
from methods.serac.counterfactual import Counterfactual, embedding_table, in_scope_loss, read_ids
from methods.serac.editor import SERACEditor
from methods.serac.reader import Memory
from methods.serac.scope import ScopeClassifier, likeness, scope_loss, train_scope
from methods.serac_legacy.editor import SERACLegacyEditor
from methods.serac_legacy.mixture import memory_query, mixed, mixture
from mmedit_bench.editors import (
    Backbone,
    BenchError,
    Edit,
    EditRequest,
    Query,
    Route,
    Trained,
)
from mmedit_bench.harness.training import Training
from mmedit_bench.interventions import fold
from mmedit_bench.interventions.routes import Routes
from tests.methods.recording import Recorded, copied, far_apart, plain_likelihood
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases, tiny_picture

CASES = tiny_cases(10)
REQUEST = tiny_cases(1, "test")[0].request
FAST: dict[str, Any] = {
    "scope_hidden": 8, "scope_code": 4, "scope_steps": 3, "scope_batch": 4, "size": 16, "layers": 1,
    "heads": 2, "steps": 3, "batch": 4,
}  # fmt: skip
LEGACY: dict[str, Any] = {
    "scope_hidden": 8,
    "scope_code": 4,
    "size": 16,
    "layers": 1,
    "heads": 2,
    "steps": 2,
    "batch": 2,
}


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ready(editor: Any, backbone: Backbone, seed: int = 0) -> Any:
    editor.load(backbone, editor.train(backbone, CASES, Training(seed=seed)))
    return editor


def memory(edit: Edit) -> Memory:
    (route,) = edit.interventions
    assert isinstance(route, Route) and isinstance(route.reader, Memory)
    return route.reader


def held_by(view: Backbone) -> Memory:
    """The one memory that a sequence's edits fold into."""
    (folded,) = fold(view.edits)
    assert isinstance(folded, Routes)
    return memory(Edit(folded.parts))


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 50))
def test_scope_is_a_binary_cross_entropy_of_exp_minus_squared_distance(n: int, d: int, seed: int) -> None:
    a, b = normal(n, d, seed=seed), normal(n, d, seed=seed + 1)
    labels = [float(i % 2) for i in range(n)]
    total = 0.0
    for i in range(n):
        s = math.exp(-sum(float(a[i, k] - b[i, k]) ** 2 for k in range(d)))
        assert likeness(a, b)[i].item() == pytest.approx(s, rel=1e-4, abs=1e-7)
        s = min(max(s, 1e-6), 1 - 1e-6)
        total -= math.log(s) if labels[i] else math.log(1 - s)
    assert scope_loss(likeness(a, b), torch.tensor(labels)).item() == pytest.approx(total / n, rel=1e-3)
    assert likeness(a, a).tolist() == [1.0] * n


@given(st.floats(0.01, 0.99), st.integers(1, 4), st.integers(0, 50))
def test_the_ports_mixture_is_a_weighted_sum_of_probabilities(s: float, n: int, seed: int) -> None:
    cf, base = normal(n, 5, seed=seed).log_softmax(-1), normal(n, 5, seed=seed + 1).log_softmax(-1)
    found = mixture(torch.tensor(s), cf, base)
    for i in range(n):
        for j in range(5):
            p = s * math.exp(float(cf[i, j])) + (1 - s) * math.exp(float(base[i, j]))
            assert math.exp(found[i, j].item()) == pytest.approx(p, rel=1e-4)
        assert found[i].exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_the_counterfactual_model_is_causal_and_its_loss_a_plain_mean(backbone: Backbone) -> None:
    torch.manual_seed(0)
    model, table = Counterfactual(32, 16, 1, 2), embedding_table(backbone)
    rows = [
        (read_ids(backbone, REQUEST, REQUEST.query), backbone.answer_ids("africa")),
        ((7, 8), backbone.answer_ids("asia 3")),
    ]
    total, count = 0.0, 0
    for read, answer in rows:
        for k, token in enumerate(answer):
            logs = model(torch.tensor([[*read, *answer[:k]]]), table)[0, -1]
            assert logs.exp().sum().item() == pytest.approx(1, abs=1e-4)
            total, count = total - logs[token].item(), count + 1
    assert in_scope_loss(model, table, rows).item() == pytest.approx(total / count, abs=1e-4)


@torch.no_grad()
def test_tokens_that_are_asked_for_alone_are_said_as_all_of_them_are(backbone: Backbone) -> None:
    torch.manual_seed(2)
    model, table = Counterfactual(32, 16, 2, 2).eval(), embedding_table(backbone)
    ids = torch.randint(len(table), (3, 9))
    spots = torch.tensor([0, 2, 2, 1]), torch.tensor([8, 0, 5, 3])
    some = model(ids, table, spots)
    assert some.shape == (4, len(table))
    assert torch.allclose(some, model(ids, table)[spots], atol=1e-5)


@torch.no_grad()
def test_answers_written_together_are_those_of_a_plain_loop(backbone: Backbone) -> None:
    torch.manual_seed(1)
    model, table = Counterfactual(32, 16, 2, 2).eval(), embedding_table(backbone)
    end = backbone.answer_ids("")[-1]
    torch.nn.init.normal_(model.leave.bias, std=0.5)
    asked = [(case.request, probe.query) for case in CASES[:4] for probe in case.probes[:2]]
    asked.append((EditRequest("long", Query("what is shown here? " * 60), "a fox"), Query("where?")))
    lengths = []
    for (request, query), text in zip(asked, model.answers(backbone, asked, 7), strict=True):
        ids: list[int] = list(read_ids(backbone, request, query))
        start = len(ids)
        while len(ids) < start + 7:
            token = int(model(torch.tensor([ids]), table)[0, -1].argmax())
            if token == end:
                break
            ids.append(token)
        lengths.append(len(ids) - start)
        assert text == backbone.tokenizer.decode(ids[start:], skip_special_tokens=True).strip()
    assert max(lengths) > 1
    assert model.answers(backbone, []) == []


def test_the_classifier_sees_questions_and_pictures_but_no_answer(backbone: Backbone) -> None:
    editor = ready(SERACEditor(**FAST), backbone)
    other = EditRequest(REQUEST.id, REQUEST.query, "quite another answer")
    first, second = memory(editor.edit(backbone, REQUEST)), memory(editor.edit(backbone, other))
    assert torch.equal(first.entries[0].code, second.entries[0].code)
    classifier, _ = first.networks.ready(backbone)
    plain, painted = Query("where?"), Query("where?", tiny_picture(3))
    codes = classifier.encode(backbone, [plain, painted, Query("where?", tiny_picture(4))])
    assert not torch.equal(codes[0], codes[1]) and not torch.equal(codes[1], codes[2])
    blind = ScopeClassifier(32, 8, 4, image_key=False)
    assert torch.equal(*blind.encode(backbone, [plain, painted]))


def test_the_classifier_is_trained_to_tell_inside_from_outside(backbone: Backbone) -> None:
    """Rewordings and other pictures are inside; questions to be kept and those of other edits are not."""
    classifier = train_scope(
        backbone, CASES, Training(seed=0), hidden=8, code=4, image_key=True, steps=120, lr=2e-2, batch=10
    )
    right: dict[str, list[bool]] = {"inside": [], "locality": [], "others": []}
    with torch.no_grad():
        known = classifier.encode(backbone, [case.request.query for case in CASES])
        for number, case in enumerate(CASES):
            for probe in case.probes:
                close = likeness(known[number], classifier.encode(backbone, [probe.query])).item() > 0.5
                inside = not probe.kind.endswith("_locality")
                right["inside" if inside else "locality"].append(close == inside)
            right["others"] += [
                likeness(known[number], other).item() <= 0.5 for i, other in enumerate(known) if i != number
            ]
    shares = {name: sum(own) / len(own) for name, own in right.items()}
    assert min(shares.values()) > 0.8, shares


def test_an_edit_is_known_by_its_question_and_picture(backbone: Backbone) -> None:
    editor = ready(SERACEditor(**FAST), backbone)
    (entry,) = memory(editor.edit(backbone, REQUEST)).entries
    classifier, _ = editor._networks.ready(backbone)
    with torch.no_grad():
        whole, blind = (
            classifier.encode(backbone, [query])[0] for query in (REQUEST.query, Query(REQUEST.query.prompt))
        )
    assert torch.equal(entry.code, whole) and not torch.allclose(entry.code, blind, atol=1e-3)


def test_half_of_the_answers_are_those_of_other_cases_and_said_as_they_are_read(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that an answer is read and not known by its question."""
    rows = list[tuple[tuple[int, ...], tuple[int, ...]]]()
    inner = methods.serac.counterfactual.in_scope_loss

    def watched(model: Counterfactual, table: Tensor, drawn: Any) -> Tensor:
        rows.extend((tuple(read), tuple(answer)) for read, answer in drawn)
        return inner(model, table, drawn)

    monkeypatch.setattr(methods.serac.counterfactual, "in_scope_loss", watched)
    options = FAST | {"scope_steps": 0, "steps": 20, "batch": 10}
    SERACEditor(**options).train(backbone, CASES, Training(seed=0))
    allowed = {}
    for case in CASES:
        for target in {other.request.target for other in CASES}:
            told = EditRequest(case.id, case.request.query, target)
            for probe in case.probes:
                if not probe.kind.endswith("_locality"):
                    row = read_ids(backbone, told, probe.query), tuple(backbone.answer_ids(target))
                    allowed[row] = (
                        target != case.request.target, probe.query.prompt != case.request.query.prompt
                    )  # fmt: skip
    assert len(rows) == 200 and not set(rows) - allowed.keys(), "the answer that is said is the one read"
    swapped, reworded = (sum(column) / 200 for column in zip(*(allowed[row] for row in rows), strict=True))
    assert 0.35 < swapped < 0.55, "half of them, less those that draw their own"
    assert 0.2 < reworded < 0.5, "one of three in-scope probes is in other words"


def test_the_port_is_trained_by_the_three_losses_of_the_mixture(backbone: Backbone) -> None:
    """0.1 NLL(rewording) + 0.1 NLL(other picture) + KL(base || mixture) on text, of plain probabilities."""
    (case,) = tiny_cases(1)
    training, editor = Recorded(), SERACLegacyEditor(**LEGACY | {"steps": 3, "lr": 0.01})
    editor.train(backbone, [case], training)
    probes = {probe.kind: probe for probe in case.probes}
    joint, table = editor.fresh(backbone, 0), embedding_table(backbone)
    optimiser = torch.optim.Adam(joint.parameters(), lr=0.01)

    def both(kind: str) -> tuple[Tensor, Tensor, list[int]]:
        """Probabilities of the base model and of the mixture at a probe's answer, and its tokens."""
        query, answer = probes[kind].query, list(backbone.answer_ids(probes[kind].reference))
        base = backbone.logits([query], [probes[kind].reference])[0].detach().softmax(-1)
        fact = f"{case.request.query.prompt} || {case.request.target}"
        read = backbone.text_ids(f"{fact} || {query.prompt} :")
        logs = joint.model(torch.tensor([[*read, *answer[:-1]]]), table)[0, -len(answer) :]
        known = joint.classifier.encode(
            backbone, [Query(f"{case.request.query.prompt} {case.request.target}")]
        )[0]
        asked = joint.classifier.encode(backbone, [Query(query.prompt)])[0]
        s = (-(known - asked).square().sum()).exp()
        return base, s * logs.exp() + (1 - s) * base, answer

    for seen in training.seen["joint"]:
        joint.load_state_dict(dict(seen.before))
        total = torch.zeros(())
        for kind in ("text_generality", "image_generality"):
            _, mixed_, answer = both(kind)
            total = total + 0.1 * plain_likelihood(mixed_.log(), answer)
        base, mixed_, _ = both("text_locality")
        total = total + (base * (base.log() - mixed_.log())).sum(-1).mean()
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        wanted = {name: own.grad for name, own in joint.named_parameters() if own.grad is not None}
        assert far_apart(seen.gradients, copied(wanted), 1e-2) == []
        for name, own in joint.named_parameters():
            own.grad = seen.gradients.get(name)
        optimiser.step()
        assert far_apart(seen.after, copied(joint.state_dict())) == []


def test_training_tells_scope_and_repeats_its_bytes(backbone: Backbone) -> None:
    training = Training(seed=0)
    options = FAST | {"scope_steps": 60, "scope_lr": 2e-2, "steps": 30, "lr": 1e-2}
    SERACEditor(**options).train(backbone, CASES, training)
    assert training.curves["scope"][-1]["loss"] < training.curves["scope"][0]["loss"] / 2
    assert training.curves["counterfactual"][-1]["loss"] < training.curves["counterfactual"][0]["loss"]
    first, second = (SERACEditor(**FAST).train(backbone, CASES, Training(seed=0)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_nearest_edit_of_a_sequence_answers(backbone: Backbone) -> None:
    editor = ready(SERACEditor(**FAST | {"scope_steps": 0}), backbone)
    view = backbone
    for case in CASES[:3]:
        view = view.edited(editor.edit(view, case.request))
    assert all(len(memory(edit).entries) == 1 for edit in view.edits), "no edit holds another one's"
    held = held_by(view)
    assert [entry.id for entry in held.entries] == [case.request.id for case in CASES[:3]]
    _, model = held.networks.ready(backbone)
    for case in CASES[:3]:
        found = held.nearest(backbone, case.request.query)
        assert found is not None and found.id == case.request.id
        assert found.target == case.request.target
        assert held.in_scope(backbone, [case.request.query]) == [True]
        own = model.answers(backbone, [(case.request, case.request.query)])
        assert held.answer(backbone, [case.request.query]) == own == view.answer([case.request.query])
    again = view.edited(editor.edit(view, EditRequest(CASES[1].id, CASES[1].request.query, "elsewhere")))
    targets = [entry.target for entry in held_by(again).entries]
    assert targets == [CASES[0].request.target, CASES[2].request.target, "elsewhere"]


def test_of_the_ports_edits_in_scope_the_latest_answers(backbone: Backbone) -> None:
    editor, view = ready(SERACLegacyEditor(**LEGACY), backbone), backbone
    for case in CASES[:3]:
        view = view.edited(editor.edit(view, case.request))
    held = held_by(view)
    code = editor._networks.ready(backbone)[0].encode(backbone, [Query("the question")])[0].detach()
    inside = replace(held, entries=tuple(replace(entry, code=code) for entry in held.entries[:2]))
    outside = replace(held.entries[2], code=code + 100)
    nearest = replace(inside, entries=(*inside.entries, outside)).nearest(backbone, Query("the question"))
    assert nearest is inside.entries[1]


def test_out_of_scope_questions_stay_the_models_own_to_the_bit(backbone: Backbone) -> None:
    editor = ready(SERACEditor(**FAST), backbone)
    edit = editor.edit(backbone, REQUEST)
    held = memory(edit)
    with torch.no_grad():
        held.entries[0].code.add_(100)
    asked = [case.request.query for case in CASES]
    assert not any(held.in_scope(backbone, asked))
    assert backbone.edited(edit).answer(asked, 5) == backbone.answer(asked, 5)


@pytest.mark.parametrize(("cls", "options"), [(SERACEditor, FAST), (SERACLegacyEditor, LEGACY)])
def test_a_serac_edit_counts_its_own_parts_and_refers_to_the_networks(
    backbone: Backbone, cls: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    editor = ready(cls(**options), backbone)
    assert isinstance(editor, Trained)
    versions = backbone.versions()
    edit = editor.edit(backbone, REQUEST)
    assert len(REQUEST.target) < edit.nbytes < 1000 < edit.shared_nbytes
    assert len(backbone.edited(edit).answer([REQUEST.query, Query("red?")])) == 2
    assert backbone.versions() == versions
    for number, case in enumerate(CASES[:3]):
        editor.edit(backbone, case.request).save(tmp_path / f"{number}.safetensors")
    assert len(list((tmp_path / "shared").iterdir())) == 1
    with pytest.raises(BenchError, match="must be loaded"):
        cls().edit(backbone, REQUEST)


def test_the_ports_memory_holds_the_answer_and_its_loss_runs_through_both_parts(backbone: Backbone) -> None:
    assert REQUEST.target in memory_query(REQUEST).prompt
    editor = SERACLegacyEditor(**LEGACY)
    joint, table = editor.fresh(backbone, 0), embedding_table(backbone)
    probe = CASES[0].probes[1]
    logs, base, scope = mixed(joint, backbone, table, CASES[0].request, probe)
    (logits,) = backbone.logits([probe.query], [probe.reference])
    assert torch.allclose(base, logits.log_softmax(-1), atol=1e-5)
    logs[0, 0].backward()  # type: ignore[no-untyped-call]
    for part in (joint.classifier, joint.model):
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
    assert 0 < scope.item() <= 1
