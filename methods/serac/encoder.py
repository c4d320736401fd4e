"""A published encoder as scope classifier, such as distilbert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from methods.serac.pretrained import SCOPE, Blueprint, Part, padded, positions, read_network, rebuilt
from methods.serac.scope import Classifier, fit_scope
from mmedit_bench.editors import Backbone, BenchError, EditCase, Training

CLIP = 100.0
"""Longest gradient, as published."""


class Encoder(Classifier, Part):
    """Reads words as the last hidden state of the token that begins a text ([CLS]): [texts, width].

    All of the network is trained, and nothing stands between that state and the code, as published.
    """

    def __init__(self, network: Any, blueprint: Blueprint, width: int, code: int, image_key: bool) -> None:
        """`width` is the backbone's; a picture's code is `code` wide."""
        super().__init__()
        self.network = network
        self.blueprint = blueprint
        self.tokenizer = blueprint.words()
        self.see(width, code, image_key)

    @classmethod
    def rebuilt(
        cls, packed: Tensor, tensors: dict[str, Tensor], width: int, code: int, image_key: bool
    ) -> Encoder:
        """From a packed blueprint and what was learned. Raises `BenchError` for what does not fit."""
        blueprint = Blueprint.unpacked(packed)
        return rebuilt(lambda: cls(blueprint.fresh(), blueprint, width, code, image_key), tensors)

    def ids(self, text: str) -> list[int]:
        """Tokens of a text, those too many cut off at its end."""
        longest = positions(self.network.config)
        found: list[int] = self.tokenizer(text, truncation=True, max_length=longest).input_ids
        return found

    def read(self, backbone: Backbone, texts: Sequence[str]) -> Tensor:
        ids, mask = padded([self.ids(text) for text in texts], backbone.device)
        states: Tensor = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        return states[:, 0].clone()  # of its own: an edit keeps it, and not the states of all tokens


def distance_loss(known: Tensor, codes: Tensor, inside: Tensor) -> Tensor:
    """Mean binary cross-entropy of exp(-|a - b|^2) against 1 inside and 0 outside; codes [n, code].

    Of the distance itself: at the width of a published encoder the likeness of most pairs is 0 in
    single precision, and there the cross-entropy of a likeness has no gradient.
    """
    distance = (known - codes).square().sum(-1)
    # equal codes are at distance 0: bounded, because the log of 1 - 1 is not finite
    apart = -torch.log(-torch.expm1(-distance.clamp_min(1e-6)))
    return torch.where(inside > 0.5, distance, apart).mean()


def train_encoder(
    backbone: Backbone,
    cases: Sequence[EditCase],
    training: Training,
    *,
    source: str,
    code: int,
    image_key: bool,
    steps: int,
    lr: float,
    batch: int,
) -> Encoder:
    """Fine-tune a checkpoint by Adam without dropout, on the pairs that the editor's own classifier has.

    Raises `BenchError` for a checkpoint that cannot be read, and for one that is no such encoder.
    """
    network, blueprint = read_network(source, SCOPE)
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        encoder = Encoder(network, blueprint, backbone.embeddings(()).shape[1], code, image_key)
    first = encoder.ids("a")[0]
    if network.config.is_encoder_decoder or first != encoder.tokenizer.cls_token_id:
        raise BenchError(
            f"checkpoint {source} (option {SCOPE!r} of serac): no encoder that begins a text with a [CLS] "
            "token; choose one such as distilbert/distilbert-base-cased"
        )
    encoder.to(backbone.device).requires_grad_(True)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=lr)
    fit_scope(
        encoder, backbone, cases, training, optimiser, distance_loss, steps=steps, batch=batch, clip=CLIP
    )
    return encoder.eval()
