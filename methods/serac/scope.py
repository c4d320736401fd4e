"""The scope classifier: does a question fall under an edit? It reads questions, never an answer."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, layer_norm
from torch.nn.utils.rnn import pack_sequence

from mmedit_bench.editors import Backbone, EditCase, ImageRef, Query, Training

INSIDE = ("reliability", "text_generality", "image_generality", "text_image_generality")
OUTSIDE = ("text_locality", "image_locality")


class ScopeClassifier(nn.Module):
    """sim(x, m) = exp(-|e(x) - e(m)|^2); in scope above 0.5 (Mitchell et al., ICML 2022).

    e reads the question through a BiGRU over the backbone's frozen embeddings and, with
    `image_key`, the mean of the picture's visual tokens; a question without picture has a key of
    its own for that.
    """

    def __init__(self, width: int, hidden: int, code: int, image_key: bool) -> None:
        super().__init__()
        self.words = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.text_code = nn.Linear(2 * hidden, code, bias=False)  # codes are subtracted: it would cancel
        self.image_code = nn.Linear(width, code) if image_key else None
        self.blind = nn.Parameter(torch.zeros(code)) if image_key else None
        # backbones are frozen: each looks at a picture once
        self._seen: WeakKeyDictionary[Any, dict[str, Tensor]] = WeakKeyDictionary()

    def encode(self, backbone: Backbone, queries: Sequence[Query]) -> Tensor:
        """Codes e(x): [queries, code], or [queries, 2 code] with the picture's half."""
        embedded = [backbone.embeddings(backbone.text_ids(query.prompt)).float() for query in queries]
        # packed, not padded: the backward direction begins at each question's own end
        _, last = self.words(pack_sequence(embedded, enforce_sorted=False))  # [2, queries, hidden]
        text: Tensor = self.text_code(last.transpose(0, 1).flatten(1))
        if self.image_code is None or self.blind is None:
            return text
        pictures = [
            self.blind if query.image is None else self.image_code(self._sight(backbone, query.image))
            for query in queries
        ]
        return torch.cat([text, torch.stack(pictures)], dim=-1)

    def _sight(self, backbone: Backbone, image: ImageRef) -> Tensor:
        """Mean of a picture's visual tokens, at unit variance: [width]."""
        seen = self._seen.setdefault(backbone.model, {})
        if image.digest not in seen:
            with torch.no_grad():
                mean = backbone.visual([image])[0].float().mean(0)
            seen[image.digest] = layer_norm(mean, mean.shape)
        return seen[image.digest]


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """exp(-|a - b|^2) row by row: [n]."""
    return torch.exp(-(a - b).square().sum(-1))


def scope_loss(similar: Tensor, inside: Tensor) -> Tensor:
    """Mean binary cross-entropy of similarities [n] in (0, 1] against 1 inside and 0 outside."""
    # exp(-0) is exactly 1: clamped, because the log of 1 - 1 is not finite
    return binary_cross_entropy(similar.clamp(1e-6, 1 - 1e-6), inside)


def train_scope(
    backbone: Backbone,
    cases: Sequence[EditCase],
    training: Training,
    *,
    hidden: int,
    code: int,
    image_key: bool,
    steps: int,
    lr: float,
    batch: int,
) -> ScopeClassifier:
    """On pairs of an edit's question and a probe's question of TRAIN cases, `batch` cases per step.

    A case gives one pair inside, one outside, and one outside with the question of another case.
    """
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        classifier = ScopeClassifier(backbone.embeddings(()).shape[1], hidden, code, image_key)
    classifier.to(backbone.device)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=lr)

    def step(index: int, rng: random.Random) -> Mapping[str, float]:
        edits, asked, wanted = [], [], []
        for case in rng.sample(list(cases), min(batch, len(cases))):
            inside = [probe.query for probe in case.probes if probe.kind in INSIDE]
            outside = [probe.query for probe in case.probes if probe.kind in OUTSIDE]
            outside = [query for query in outside if query != case.request.query]
            pairs = [(rng.choice(inside), 1.0), (rng.choice(outside), 0.0)]
            other = rng.choice(cases).request
            if (other.query.image, other.query.prompt) != (
                case.request.query.image,
                case.request.query.prompt,
            ):
                pairs.append((other.query, 0.0))
            for query, label in pairs:
                edits.append(case.request.query)
                asked.append(query)
                wanted.append(label)
        similar = likeness(classifier.encode(backbone, edits), classifier.encode(backbone, asked))
        labels = torch.tensor(wanted, device=similar.device)
        loss = scope_loss(similar, labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        right = ((similar > 0.5) == (labels > 0.5)).float().mean()
        return {"loss": loss.item(), "right": right.item()}

    training.run(steps, step, module=classifier, optimisers=[optimiser], label="scope")
    return classifier
