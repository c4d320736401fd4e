"""What UniKE's two trainings go by: the encoders' and an edit's, against the formulas written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, gelu

from methods.unike.editor import UniKEEditor
from methods.unike.encoders import train_encoders
from methods.unike.intrinsic import Pairs
from methods.unike.store import States, Store
from mmedit_bench.editors import AttentionMemory, Backbone, Edit, ExtraNeurons
from mmedit_bench.harness.training import Training
from tests.methods.recording import Recorded, copied, far_apart
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

CASES = tiny_cases(6)
REQUEST = tiny_cases(1, "test")[0].request
FAST: dict[str, Any] = {
    "layers": 2, "pairs": 3, "top_k": 3, "quiet": 2, "encoder_steps": 3, "encoder_width": 8,
    "encoder_batch": 4,
}  # fmt: skip


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def ready(backbone: Backbone, **options: Any) -> tuple[UniKEEditor, dict[str, Tensor]]:
    made = UniKEEditor(**FAST | options)
    tensors = dict(made.train(backbone, CASES, Training(seed=0)))
    made.load(backbone, tensors)
    return made, {name: tensor.detach() for name, tensor in tensors.items()}


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def code(weights: list[Tensor], x: Tensor) -> Tensor:
    """A two-layer perceptron."""
    first, bias, second, shift = weights
    return second @ gelu(first @ x + bias) + shift


@pytest.mark.parametrize("anchor", [False, True])
def test_encoders_are_trained_by_eq4_and_eq5_on_the_stored_states(anchor: bool) -> None:
    n, d, t = 4, 5, 0.5
    states = {layer: States(*(normal(n, d, seed=10 * layer + k) for k in range(3))) for layer in (2, 3)}
    training = Recorded()
    train_encoders(
        Store(states, {}), training, width=6, steps=3, lr=0.01, batch=n, temperature=t, anchor=anchor
    )

    def like(a: Tensor, b: Tensor) -> Tensor:
        return (cosine_similarity(a, b, dim=0) / t).exp()

    weights = {
        name: own.clone().requires_grad_() for name, own in training.seen["encoders"][0].before.items()
    }
    optimiser = torch.optim.Adam(weights.values(), lr=0.01)
    assert len(weights) == 16
    for seen in training.seen["encoders"]:
        with torch.no_grad():
            for name, own in weights.items():
                own.copy_(seen.before[name])
        total = torch.zeros(())
        for layer, read in states.items():
            tru, sem = (
                [weights[f"{kind}_{layer}_{k}"] for k in range(4)] for kind in ("truthfulness", "semantic")
            )
            right, wrong = ([code(tru, x) for x in part] for part in (read.right, read.wrong))
            for mine, others in ((right, wrong), (wrong, right)):
                for i in range(n):
                    alike = [like(mine[i], mine[j]) for j in range(n) if anchor or j != i]
                    same = torch.stack(alike).sum()
                    rest = torch.stack([like(mine[i], h) for h in others]).sum()
                    total = total - (same / (same + rest)).log() / n
            right, wrong = ([code(sem, x) for x in part] for part in (read.right, read.wrong))
            for i in range(n):
                raw = read.question[i]
                pair = like(raw, right[i]) + like(raw, wrong[i])
                every = torch.stack([like(raw, h) for h in (*right, *wrong)]).sum()
                total = total - (pair / every).log() / n
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        wanted = {name: own.grad for name, own in weights.items() if own.grad is not None}
        assert far_apart(seen.gradients, copied(wanted)) == []
        for name, own in weights.items():
            own.grad = seen.gradients[name]
        optimiser.step()
        assert far_apart(seen.after, copied(weights)) == []


def test_an_edit_is_descent_on_all_its_losses_with_the_memory_at_work(backbone: Backbone) -> None:
    """Answer + 0.7 l_a + 0.4 (l_m1 + l_m2) in each layer, in the model that the memory shifts; plain Adam."""
    made, tensors = ready(
        backbone, steps=4, lr=0.02, threshold=0.0, activation_weight=0.7, memory_weight=0.4, beta=0.6
    )
    edit = made.edit(backbone, REQUEST)
    memory = [item for item in edit.interventions if isinstance(item, AttentionMemory)]
    found = [item for item in edit.interventions if isinstance(item, ExtraNeurons)]
    shifted, layers, gated = backbone.edited(Edit(tuple(memory))), (0, 1), backbone.anatomy.gated
    readers = [backbone.anatomy.ffn(layer)[0] for layer in layers]
    (read,) = backbone.states([REQUEST.query], [REQUEST.target], readers)
    own, zetas, trained = [], [], list[dict[str, Tensor]]()
    for layer in layers:
        queries = read[readers[layer]]
        own.append(torch.stack([queries[i % len(queries)] for i in range(3)]))
        keys = torch.stack([q / (q @ q) for q in own[-1]])
        parts = {"keys": keys, "bias": torch.zeros(3), "values": torch.zeros(3, 32), "W": torch.zeros(32, 32)}
        parts |= {"up_keys": keys.clone()} if gated else {}
        trained.append({name: part.requires_grad_() for name, part in parts.items()})
        weights = [tensors[f"truthfulness.{layer}.{k}"] for k in range(4)]
        codes = [
            torch.stack([code(weights, x) for x in tensors[f"{part}.{layer}"]]).mean(0)
            for part in ("right", "wrong")
        ]
        zetas.append(codes[0] - codes[1])
    optimiser = torch.optim.Adam([part for parts in trained for part in parts.values()], lr=0.02)

    def steered(layer: int) -> Tensor:
        return trained[layer]["values"] + 0.6 * trained[layer]["W"] @ zetas[layer]

    for _ in range(4):
        pairs = tuple(
            ExtraNeurons(layer, p["keys"], p["bias"], steered(layer), p.get("up_keys"))
            for layer, p in zip(layers, trained, strict=True)
        )
        total = shifted.loss([REQUEST.query], [REQUEST.target], Edit(pairs))
        for layer, p in zip(layers, trained, strict=True):
            s = (own[layer] * p["keys"]).sum(-1) + p["bias"]
            quiet = tensors[f"quiet.{layer}"] @ p["keys"].T + p["bias"]
            total = total + 0.7 * (-s).exp().mean()
            total = total + 0.4 * ((quiet + 3).exp().mean() + (quiet - s + 3).exp().mean())
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    for layer, item in zip(layers, found, strict=True):
        assert item.layer == layer
        parts = {name: trained[layer][name] for name in item.tensors()} | {"values": steered(layer)}
        for name, tensor in item.tensors().items():
            assert torch.allclose(tensor, parts[name], atol=2e-3), (layer, name)
        assert item.values.abs().max() > 0.05


def test_an_edit_moves_all_that_it_trains(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[Pairs, dict[str, Tensor]]] = []
    inner = UniKEEditor._fresh_pairs

    def kept(*given: Any) -> list[Pairs]:
        fresh = inner(*given)
        for own in fresh:
            parts = {k: v for k, v in vars(own).items() if isinstance(v, Tensor) and k not in ("zeta", "own")}
            begun.append((own, copied(parts)))
        return fresh

    monkeypatch.setattr(UniKEEditor, "_fresh_pairs", kept)
    made, _ = ready(backbone, steps=3, threshold=0.0)
    made.edit(backbone, REQUEST)
    assert len(begun) == 2
    for pairs, before in begun:
        assert len(before) == 4 + backbone.anatomy.gated
        for name, tensor in before.items():
            assert not torch.equal(getattr(pairs, name).detach(), tensor), name


def test_an_edit_stops_once_the_answer_alone_is_learned(backbone: Backbone) -> None:
    """Whatever the other losses are then."""
    made, _ = ready(backbone, steps=0)
    begun = made.edit(backbone, REQUEST).interventions
    memory = [item for item in begun if isinstance(item, AttentionMemory)]
    bare = backbone.edited(Edit(tuple(memory))).loss([REQUEST.query], [REQUEST.target]).item()
    for threshold, stops in ((bare + 0.01, True), (bare - 0.01, False)):
        made, _ = ready(backbone, steps=2, threshold=threshold, activation_weight=9.0)
        note = made.edit(backbone, REQUEST).note
        assert (note["steps"] == "0") == stops
        assert not stops or note["answer_loss"] == f"{bare:.4f}"


def test_quiet_queries_are_those_of_questions_to_be_kept(backbone: Backbone) -> None:
    store = Store.collect(backbone, CASES, [0, 1], most=100, quiet=2)
    for layer, quiet in store.quiet.items():
        path, expected = backbone.anatomy.ffn(layer)[0], []
        for case in CASES[:2]:
            for probe in case.probes:
                if probe.kind in ("text_locality", "image_locality"):
                    (read,) = backbone.states([probe.query], [probe.reference], [path])
                    expected.append(read[path])
        assert torch.allclose(quiet, torch.cat(expected), atol=1e-4)
