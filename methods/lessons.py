"""What editors that learn to edit are trained on: one request, what it should change and what not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mmedit_bench.editors import Backbone, BenchError, Edit, EditCase, Probe, Query


@dataclass(frozen=True)
class Lesson:
    """A training case as the losses need it; queries with the answers they are judged by."""

    case: EditCase
    reworded: Probe
    redrawn: Probe
    text: Probe
    image: Probe

    @property
    def changed(self) -> tuple[list[Query], list[str]]:
        """Another wording and another picture of the request, with the new answer."""
        both = (self.reworded, self.redrawn)
        return [probe.query for probe in both], [probe.reference for probe in both]

    @property
    def kept(self) -> tuple[list[Query], list[str]]:
        """A question without and one with a picture that the edit should leave alone."""
        both = (self.text, self.image)
        return [probe.query for probe in both], [probe.reference for probe in both]


def lesson(case: EditCase, rng: random.Random, near: bool = False) -> Lesson:
    """A lesson from a case; `near` draws what is to be kept from all strata and not from "main" only.

    Raises `BenchError` if the case lacks a kind of probe.
    """

    def drawn(kind: str) -> Probe:
        wide = near and kind.endswith("_locality")
        fitting = [p for p in case.probes if p.kind == kind and (wide or p.stratum == "main")]
        if not fitting:
            raise BenchError(f"training case {case.id} has no {kind} probe to learn from")
        return rng.choice(fitting)

    kinds = ("text_generality", "image_generality", "text_locality", "image_locality")
    return Lesson(case, *(drawn(kind) for kind in kinds))


def likelihood_loss(logits: Sequence[Tensor], answers: Sequence[Sequence[int]]) -> Tensor:
    """Mean negative log-likelihood (nats) per token; logits [tokens, vocabulary] per answer."""
    wanted = torch.tensor([token for answer in answers for token in answer], device=logits[0].device)
    return cross_entropy(torch.cat([own.float() for own in logits]), wanted)


def divergence(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor:
    """Mean KL(before || after) in nats over all answer tokens."""
    first = torch.cat([own.float() for own in before]).log_softmax(-1)
    second = torch.cat([own.float() for own in after]).log_softmax(-1)
    return (first.exp() * (first - second)).sum(-1).mean()


def drift(backbone: Backbone, edit: Edit, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """KL of the edited from the unedited answers to the kept questions: without and with a picture."""
    queries, answers = lesson.kept
    with torch.no_grad():
        before = backbone.logits(queries, answers)
    after = backbone.logits(queries, answers, edit)
    return divergence(before[:1], after[:1]), divergence(before[1:], after[1:])
