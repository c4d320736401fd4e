"""Which questions an edit is read for: likeness of wording and of picture, calibrated on the train split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from methods.ike.retriever import embed
from mmedit_bench.editors import Backbone, EditCase, Query

CHANGED = ("reliability", "text_generality", "image_generality", "text_image_generality")
KEPT = ("text_locality", "image_locality")


@dataclass(frozen=True)
class Keys:
    """Unit vectors of queries: of the wording [n, w], of the picture [n, v] (zeros without one)."""

    text: Tensor
    image: Tensor

    @classmethod
    def of(cls, backbone: Backbone, retriever: str, queries: Sequence[Query]) -> Keys:
        """The picture's key is the mean of its visual tokens. No answer is read."""
        text = embed(retriever, backbone, [query.prompt for query in queries])
        width = backbone.embeddings(()).shape[1]
        image = torch.zeros(len(queries), width, device=text.device)
        for i, query in enumerate(queries):
            if query.image is not None:
                image[i] = normalize(backbone.visual([query.image])[0].float().mean(0), dim=-1)
        return cls(text, image)

    def seen(self, others: Keys) -> Tensor:
        """Cosines of pictures, [n, others]: 1 where neither has one, 0 where only one has."""
        blind = (self.image.abs().sum(-1)[:, None] == 0) & (others.image.abs().sum(-1)[None] == 0)
        return torch.where(blind, 1.0, self.image @ others.image.T)


@dataclass(frozen=True)
class Thresholds:
    """Least cosines of wording and picture at which a question is in scope."""

    text: float
    image: float

    def margin(self, edit: Keys, query: Keys) -> Tensor:
        """By pair: how far inside the scope (>= 0) or outside: [edits, queries]."""
        return torch.minimum(edit.text @ query.text.T - self.text, edit.seen(query) - self.image)


def calibrated(backbone: Backbone, retriever: str, cases: Sequence[EditCase], steps: int = 41) -> Thresholds:
    """The pair of thresholds that separates best what train cases want changed from what they want kept.

    Best is the highest mean of the share of changed questions inside and of kept questions outside;
    of equals the lowest thresholds. Portability questions are left out: they are neither.
    """
    text, image, inside = [], [], []
    for case in cases:
        probes = [probe for probe in case.probes if probe.kind in (*CHANGED, *KEPT)]
        edit = Keys.of(backbone, retriever, [case.request.query])
        asked = Keys.of(backbone, retriever, [probe.query for probe in probes])
        text += (edit.text @ asked.text.T)[0].tolist()
        image += edit.seen(asked)[0].tolist()
        inside += [probe.kind in CHANGED for probe in probes]
    likeness, sight, wanted = torch.tensor(text), torch.tensor(image), torch.tensor(inside)
    best, found = -1.0, Thresholds(0.0, 0.0)
    grid = torch.linspace(0, 1, steps).tolist()
    for least_text in grid:
        for least_image in grid:
            taken = (likeness >= least_text) & (sight >= least_image)
            score = (taken[wanted].float().mean() + (~taken[~wanted]).float().mean()).item() / 2
            if score > best + 1e-9:
                best, found = score, Thresholds(least_text, least_image)
    return found
