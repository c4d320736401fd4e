"""The eyes: vision tower, then tower and Q-Former, trained to name what is drawn.

Stands for the ready-made image encoder and the representation stage of BLIP-2 (Li et al. 2023,
section 3.2); both text families share the result, as MiniGPT-4 takes over BLIP-2's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import Blip2ForConditionalGeneration

from mmedit_bench.backbones.training.pictures import augment, decode, normalise
from mmedit_bench.backbones.training.stage import Report, Schedule, run_stage
from mmedit_bench.datasets.picturebook.entities import Entity

TRAINED_ARTISTS = ("twemoji", "noto")
SEED = 7

Logits = Callable[[Tensor], Tensor]
"""Pixels [n, 3, side, side] in 0..1 to a score per entity [n, entities]."""


class Drawings:
    """All pictures of the trained artists in memory: [entities, artists, 3, side, side]."""

    def __init__(self, entities: Sequence[Entity], artists: Sequence[str] = TRAINED_ARTISTS) -> None:
        self.pixels = torch.stack([decode([e.pictures[a] for a in artists]) for e in entities])
        self.flip = torch.tensor([e.group != "flag" for e in entities])

    def batch(self, step: int, size: int, salt: int) -> tuple[Tensor, Tensor]:
        """Augmented pixels [size, 3, side, side] and entity indices [size] of a step.

        A quarter of the pictures are blends of the two artists, drawings that neither made.
        """
        g = torch.Generator().manual_seed(hash_step(salt, step))
        n, artists = self.pixels.shape[:2]
        which = torch.randint(n, (size,), generator=g)
        a, b = torch.randint(artists, (2, size), generator=g)
        share = torch.where(torch.rand(size, generator=g) < 0.25, torch.rand(size, generator=g), 1.0).view(
            -1, 1, 1, 1
        )
        mixed = share * self.pixels[which, a] + (1 - share) * self.pixels[which, b]
        return augment(mixed, self.flip[which], g), which


def hash_step(salt: int, step: int) -> int:
    """A generator seed for one step of one stage."""
    return (SEED * 1_000_003 + salt) * 1_000_003 + step


def image_states(model: Blip2ForConditionalGeneration, pixels: Tensor) -> Tensor:
    """0..1 pixels [n, 3, side, side] -> Q-Former output [n, queries, width]."""
    seen = model.vision_model(pixel_values=normalise(pixels)).last_hidden_state
    queries = model.query_tokens.expand(len(pixels), -1, -1)
    states: Tensor = model.qformer(query_embeds=queries, encoder_hidden_states=seen, return_dict=True)[0]
    return states


def train_vision(
    model: Blip2ForConditionalGeneration,
    entities: Sequence[Entity],
    tower: Schedule,
    qformer: Schedule | None,
    folder: Path,
    report: Report,
    identity: Mapping[str, object],
) -> None:
    """Train the vision tower, then (unless None) tower and Q-Former, in place."""
    drawings = Drawings(entities)
    names = {artist: Drawings(entities, (artist,)).pixels[:, 0] for artist in (*TRAINED_ARTISTS, "unseen")}
    torch.manual_seed(SEED)
    tower_head = torch.nn.Linear(model.config.vision_config.hidden_size, len(entities))
    head = torch.nn.Linear(model.config.qformer_config.hidden_size, len(entities))

    def tower_logits(pixels: Tensor) -> Tensor:
        return tower_head(model.vision_model(pixel_values=normalise(pixels)).last_hidden_state.mean(1))  # type: ignore[no-any-return]

    def logits(pixels: Tensor) -> Tensor:
        return head(image_states(model, pixels).mean(1))  # type: ignore[no-any-return]

    def accuracy(of: torch.nn.Module) -> dict[str, float]:
        return naming_accuracy(tower_logits if of is tower_head else logits, names, drawings.flip)

    def loss_of(function: Logits, schedule: Schedule, salt: int) -> Callable[[int], Tensor]:
        def loss(step: int) -> Tensor:
            pixels, which = drawings.batch(step, schedule.batch, salt)
            return F.cross_entropy(function(pixels), which, label_smoothing=0.05)

        return loss

    parts = {f"vision_model.{k}": p for k, p in model.vision_model.named_parameters()}
    parts_head = {f"tower_head.{k}": p for k, p in tower_head.named_parameters()}
    run_stage(
        "vision-tower", {**parts, **parts_head}, loss_of(tower_logits, tower, 1), tower, folder, report,
        identity, lambda: accuracy(tower_head), adam_only=("tower_head",),
    )  # fmt: skip
    if qformer is None:
        return
    parts.update({f"qformer.{k}": p for k, p in model.qformer.named_parameters()})
    parts["query_tokens"] = model.query_tokens
    parts_head = {f"head.{k}": p for k, p in head.named_parameters()}
    run_stage(
        "vision-qformer", {**parts, **parts_head}, loss_of(logits, qformer, 2), qformer, folder, report,
        identity, lambda: accuracy(head), adam_only=("head",),
    )  # fmt: skip


@torch.no_grad()
def naming_accuracy(function: Logits, pictures: Mapping[str, Tensor], is_thing: Tensor) -> dict[str, float]:
    """Share of things and of flags named right, by artist (all entities are candidates)."""
    out: dict[str, float] = {}
    for artist, pixels in pictures.items():
        guesses = torch.cat([function(chunk).argmax(-1) for chunk in torch.split(pixels, 256)])
        right = guesses == torch.arange(len(pixels))
        for group, mask in (("things", is_thing), ("flags", ~is_thing)):
            if mask.any():
                out[f"{artist}_{group}"] = round(float(right[mask].float().mean()), 3)
    return out
