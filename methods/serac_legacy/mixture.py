"""The joint training of the MMEdit port: one mixture of two models, and no labels for the classifier."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.lessons import lesson
from methods.serac.counterfactual import Counterfactual, embedding_table, read_ids
from methods.serac.scope import ScopeClassifier, likeness
from mmedit_bench.editors import Backbone, EditCase, EditRequest, Probe, Query, Training


class Joint(nn.Module):
    """Classifier and counterfactual model, trained by one loss."""

    def __init__(self, classifier: ScopeClassifier, model: Counterfactual) -> None:
        super().__init__()
        self.classifier = classifier
        self.model = model


def memory_query(request: EditRequest) -> Query:
    """What the classifier reads of an edit: question and answer, no picture."""
    return Query(f"{request.query.prompt} {request.target}")


def mixture(scope: Tensor, counterfactual: Tensor, base: Tensor) -> Tensor:
    """log(s p_cf + (1 - s) p_base) from a likeness s and log-probabilities [tokens, vocabulary]."""
    inside, outside = scope.clamp(1e-6, 1 - 1e-6).log(), (1 - scope.clamp(1e-6, 1 - 1e-6)).log()
    return torch.logaddexp(inside + counterfactual, outside + base)


def mixed(
    joint: Joint, backbone: Backbone, table: Tensor, request: EditRequest, probe: Probe
) -> tuple[Tensor, Tensor, Tensor]:
    """For a probe: the mixture's and the base model's log-probabilities [tokens, vocabulary], and s."""
    with torch.no_grad():
        (logits,) = backbone.logits([probe.query], [probe.reference])
    base = logits.float().log_softmax(-1)
    read = read_ids(backbone, request, probe.query)
    answer = backbone.answer_ids(probe.reference)
    ids = torch.tensor([[*read, *answer]], device=table.device)
    places = torch.arange(len(read) - 1, ids.shape[1] - 1, device=table.device)
    logs = joint.model(ids[:, :-1], table, (torch.zeros_like(places), places))
    codes = joint.classifier.encode(backbone, [memory_query(request), Query(probe.query.prompt)])
    scope = likeness(codes[0], codes[1])
    return mixture(scope, logs, base), base, scope


def train_jointly(
    backbone: Backbone,
    cases: Sequence[EditCase],
    joint: Joint,
    training: Training,
    *,
    steps: int,
    lr: float,
    batch: int,
) -> None:
    """0.1 NLL(rewording) + 0.1 NLL(other picture) + KL(base || mixture) on text; pictures have no KL."""
    table = embedding_table(backbone).float()  # cast once, not at each of a step's questions
    optimiser = torch.optim.Adam(joint.parameters(), lr=lr)

    def losses(drawn: EditCase, rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
        own = lesson(drawn, rng)
        likelihoods = []
        for probe in (own.reworded, own.redrawn):
            logs, _, _ = mixed(joint, backbone, table, drawn.request, probe)
            answer = list(backbone.answer_ids(probe.reference))
            likelihoods.append(-logs[range(len(answer)), answer].mean())
        logs, base, _ = mixed(joint, backbone, table, drawn.request, own.text)
        drift = (base.exp() * (base - logs)).sum(-1).mean()
        return likelihoods[0], likelihoods[1], drift

    def step(index: int, rng: random.Random) -> Mapping[str, float]:
        parts = [losses(case, rng) for case in rng.sample(list(cases), min(batch, len(cases)))]
        reworded, redrawn, text = (torch.stack(column).mean() for column in zip(*parts, strict=True))
        optimiser.zero_grad()
        (0.1 * reworded + 0.1 * redrawn + text).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return {"reworded": reworded.item(), "redrawn": redrawn.item(), "text": text.item()}

    training.run(steps, step, module=joint, optimisers=[optimiser], label="joint")
