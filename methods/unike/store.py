"""The knowledge store: what a backbone reads at true and at false answers to questions of the TRAIN split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from methods.unike.triplets import triplets
from mmedit_bench.editors import Backbone, EditCase, EditRequest


@dataclass(frozen=True)
class States:
    """Pre-attention states of n triplets in one layer, [n, d] each.

    `question`: last token of the question (h_sem). `right`, `wrong`: final token of the true
    answer and of the false one (h_pos, h_neg).
    """

    question: Tensor
    right: Tensor
    wrong: Tensor


@dataclass(frozen=True)
class Store:
    """States by layer, and what the feed-forward layers read at questions that are no edits.

    It has two uses. Edits read `question` and `right`, the memory M_ext: what is true, beside their
    own states. The encoders and zeta are made of `right` and `wrong`.
    """

    states: Mapping[int, States]
    quiet: Mapping[int, Tensor]
    """FFN queries [q, d] by layer."""

    @classmethod
    def collect(
        cls, backbone: Backbone, cases: Sequence[EditCase], layers: Sequence[int], most: int, quiet: int
    ) -> Self:
        """From the first `most` triplets of the cases, and `quiet` cases' locality probes.

        States are kept in single precision, which is what the encoders are trained in. Raises as
        `triplets`.
        """
        told = triplets(backbone, cases)[:most]
        queries = [own.query for own in told]
        attention = {layer: backbone.anatomy.attention(layer) for layer in layers}
        modules = list(attention.values())
        right = backbone.states(queries, [own.right for own in told], modules)
        wrong = backbone.states(queries, [own.wrong for own in told], modules)
        states = {
            layer: States(
                torch.stack([own[path][0] for own in right]).float(),
                torch.stack([own[path][-1] for own in right]).float(),
                torch.stack([own[path][-1] for own in wrong]).float(),
            )
            for layer, path in attention.items()
        }
        kept = [probe for case in cases[:quiet] for probe in case.probes if probe.kind.endswith("_locality")]
        ffn = {layer: backbone.anatomy.ffn(layer)[0] for layer in layers}
        read = backbone.states(
            [probe.query for probe in kept], [probe.reference for probe in kept], list(ffn.values())
        )
        quiet_states = {layer: torch.cat([own[path] for own in read]).float() for layer, path in ffn.items()}
        return cls(states, quiet_states)

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a file."""
        found = {f"quiet.{layer}": own for layer, own in self.quiet.items()}
        for layer, own in self.states.items():
            found |= {
                f"question.{layer}": own.question,
                f"right.{layer}": own.right,
                f"wrong.{layer}": own.wrong,
            }
        return found

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> Self:
        """The inverse of `tensors`."""
        layers = sorted(int(name.removeprefix("quiet.")) for name in tensors if name.startswith("quiet."))
        states = {
            layer: States(*(tensors[f"{part}.{layer}"] for part in ("question", "right", "wrong")))
            for layer in layers
        }
        return cls(states, {layer: tensors[f"quiet.{layer}"] for layer in layers})


def own_states(
    backbone: Backbone, request: EditRequest, layers: Sequence[int], span: str
) -> dict[int, tuple[Tensor, Tensor]]:
    """The request's own entries of the memory: by layer (index, states), [p, d] each.

    `span` "final" gives one pair as the store has them: the state of the question's last token,
    and that of the answer's final token. "answer" gives one pair per answer token: the state that
    predicts it, and its own, so that an answer of several tokens can be read off one by one.
    """
    modules = {layer: backbone.anatomy.attention(layer) for layer in layers}
    (read,) = backbone.states([request.query], [request.target], list(modules.values()))
    pairs = {}
    for layer, path in modules.items():
        own = read[path].float()
        pairs[layer] = (own[:1], own[-1:]) if span == "final" else (own[:-1], own[1:])
    return pairs
