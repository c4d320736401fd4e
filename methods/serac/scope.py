"""The scope classifier: does a question fall under an edit? It reads questions, never an answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, layer_norm
from torch.nn.utils.rnn import pack_sequence
from torch.optim import Optimizer

from mmedit_bench.editors import Backbone, EditCase, ImageRef, Query, Training

INSIDE = ("reliability", "text_generality", "image_generality", "text_image_generality")
OUTSIDE = ("text_locality", "image_locality")


class Classifier(nn.Module):
    """sim(x, m) = exp(-|e(x) - e(m)|^2); in scope above 0.5 (Mitchell et al., ICML 2022).

    e reads the question and, with `image_key`, the mean of the picture's visual tokens; a question
    without picture has a key of its own for that.
    """

    image_code: nn.Linear | None
    blind: nn.Parameter | None

    def read(self, backbone: Backbone, texts: Sequence[str]) -> Tensor:
        """What e makes of the words: [texts, n]."""
        raise NotImplementedError

    def see(self, width: int, code: int, image_key: bool) -> None:
        """Make what codes pictures, whose visual tokens are so wide; to be called when all else is made."""
        self.image_code = nn.Linear(width, code) if image_key else None
        self.blind = nn.Parameter(torch.zeros(code)) if image_key else None
        # backbones are frozen: each looks at a picture once
        self._seen: WeakKeyDictionary[Any, dict[str, Tensor]] = WeakKeyDictionary()

    def encode(self, backbone: Backbone, queries: Sequence[Query]) -> Tensor:
        """Codes e(x): [queries, n], or [queries, n + code] with the picture's part."""
        text = self.read(backbone, [query.prompt for query in queries])
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


class ScopeClassifier(Classifier):
    """Reads words through a BiGRU over the backbone's frozen embeddings: [texts, code]."""

    def __init__(self, width: int, hidden: int, code: int, image_key: bool) -> None:
        super().__init__()
        self.words = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.text_code = nn.Linear(2 * hidden, code, bias=False)  # codes are subtracted: it would cancel
        self.see(width, code, image_key)

    def read(self, backbone: Backbone, texts: Sequence[str]) -> Tensor:
        embedded = [backbone.embeddings(backbone.text_ids(text)).float() for text in texts]
        # packed, not padded: the backward direction begins at each question's own end
        _, last = self.words(pack_sequence(embedded, enforce_sorted=False))  # [2, queries, hidden]
        text: Tensor = self.text_code(last.transpose(0, 1).flatten(1))
        return text


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """exp(-|a - b|^2) row by row: [n]."""
    return torch.exp(-(a - b).square().sum(-1))


def scope_loss(similar: Tensor, inside: Tensor) -> Tensor:
    """Mean binary cross-entropy of similarities [n] in (0, 1] against 1 inside and 0 outside."""
    # exp(-0) is exactly 1: clamped, because the log of 1 - 1 is not finite
    return binary_cross_entropy(similar.clamp(1e-6, 1 - 1e-6), inside)


def drawn_pairs(
    cases: Sequence[EditCase], rng: random.Random, batch: int
) -> Iterator[tuple[Query, Query, float]]:
    """An edit's question, another question, and 1 if that is in the edit's scope; of `batch` TRAIN cases.

    A case gives one pair inside, one outside, and one outside with the question of another case.
    """
    for case in rng.sample(list(cases), min(batch, len(cases))):
        inside = [probe.query for probe in case.probes if probe.kind in INSIDE]
        outside = [probe.query for probe in case.probes if probe.kind in OUTSIDE]
        outside = [query for query in outside if query != case.request.query]
        pairs = [(rng.choice(inside), 1.0), (rng.choice(outside), 0.0)]
        other = rng.choice(cases).request
        if (other.query.image, other.query.prompt) != (case.request.query.image, case.request.query.prompt):
            pairs.append((other.query, 0.0))
        for query, label in pairs:
            yield case.request.query, query, label


def fit_scope(
    classifier: Classifier,
    backbone: Backbone,
    cases: Sequence[EditCase],
    training: Training,
    optimiser: Optimizer,
    loss_of: Callable[[Tensor, Tensor, Tensor], Tensor],
    *,
    steps: int,
    batch: int,
    clip: float | None = None,
) -> None:
    """Train on drawn pairs; `loss_of` is told two sets of codes [n, code] and labels [n].

    Gradients longer than `clip` are shortened to it.
    """

    def step(index: int, rng: random.Random) -> Mapping[str, float]:
        edits, asked, wanted = zip(*drawn_pairs(cases, rng, batch), strict=True)
        known, codes = classifier.encode(backbone, edits), classifier.encode(backbone, asked)
        labels = torch.tensor(wanted, device=codes.device)
        loss = loss_of(known, codes, labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            nn.utils.clip_grad_norm_(classifier.parameters(), clip)
        optimiser.step()
        right = ((likeness(known, codes) > 0.5) == (labels > 0.5)).float().mean()
        return {"loss": loss.item(), "right": right.item()}

    training.run(steps, step, module=classifier, optimisers=[optimiser], label="scope")


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
    """A classifier from nothing, on pairs of an edit's question and a probe's question of TRAIN cases."""
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        classifier = ScopeClassifier(backbone.embeddings(()).shape[1], hidden, code, image_key)
    classifier.to(backbone.device)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=lr)

    def loss_of(known: Tensor, codes: Tensor, labels: Tensor) -> Tensor:
        return scope_loss(likeness(known, codes), labels)

    fit_scope(classifier, backbone, cases, training, optimiser, loss_of, steps=steps, batch=batch)
    return classifier
