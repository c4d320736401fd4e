"""The bridge to a language model that is not trained: a picture's tokens become the words for its thing.

For each visual token of a picture the bridge learns to choose the word of a short phrase that ends in
the name of the pictured thing, as long as there are visual tokens ("... this thing. Picture:" +
"nepal"). The language model itself is not in the loop: the embeddings of its words are all that is
needed of it. What it then knows of the thing, and how it reads a context, is its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmedit_bench.backbones.bridged import Bridge
from mmedit_bench.backbones.training.pictures import augment
from mmedit_bench.backbones.training.stage import Report, Schedule, run_stage
from mmedit_bench.backbones.training.vision import TRAINED_ARTISTS, Drawings, hash_step, image_states
from mmedit_bench.datasets.picturebook.entities import ARTISTS, Entity
from mmedit_bench.errors import BenchError

LEAD = " The picture shows this thing. Picture:"
"""What stands before a name; of it as many of the last tokens as there is room for."""
BATCH = 256
"""Pictures that the eyes look at at once."""


@dataclass(frozen=True)
class BridgeRecipe:
    """How a bridge is trained."""

    hidden: int = 1024
    views: int = 40
    """Distorted views of each trained drawing, made in front of the vision tower."""
    seed: int = 13
    schedule: Schedule = field(default_factory=lambda: Schedule(2000, 256, adam_lr=1e-3, muon_lr=0.03))


@dataclass(frozen=True)
class Words:
    """The phrase of each thing as rows of a table: `places` [things, slots] into `table` [tokens, width]."""

    places: Tensor
    table: Tensor

    @classmethod
    def of(cls, names: Sequence[str], tokenizer: Any, embeddings: Tensor, slots: int) -> Words:
        """Raises `BenchError` for a name that is longer than there are slots."""
        lead = tokenizer(LEAD, add_special_tokens=False)["input_ids"]
        phrases = []
        for name in names:
            ids = tokenizer(f" {name}", add_special_tokens=False)["input_ids"]
            if len(ids) > slots or len(lead) + len(ids) < slots:
                raise BenchError(
                    f"{name!r} is {len(ids)} tokens and {LEAD!r} {len(lead)}; together they must fill the "
                    f"{slots} visual tokens of a picture, and the name must fit"
                )
            phrases.append([*lead, *ids][-slots:])
        tokens = sorted({token for phrase in phrases for token in phrase})
        row = {token: place for place, token in enumerate(tokens)}
        return cls(
            torch.tensor([[row[token] for token in phrase] for phrase in phrases]),
            embeddings[torch.tensor(tokens)].float(),
        )

    def wanted(self, things: Tensor) -> Tensor:
        """Embeddings [n, slots, width] of these things' phrases."""
        return self.table[self.places[things]]

    def nearest(self, tokens: Tensor) -> Tensor:
        """[n, slots]: the row of the table nearest to each visual token."""
        return torch.cdist(tokens.flatten(0, 1), self.table).argmin(-1).view(tokens.shape[:2])


def bridge_loss(scores: Tensor, words: Words, things: Tensor) -> Tensor:
    """Cross-entropy of scores [n, slots, words] over the words of these things' phrases."""
    return F.cross_entropy(scores.flatten(0, 1), words.places[things].flatten())


def train_bridge(
    eyes: Any,
    entities: Sequence[Entity],
    words: Words,
    recipe: BridgeRecipe,
    folder: Path,
    report: Report,
    identity: Mapping[str, object],
) -> Bridge:
    """Train a bridge behind frozen eyes, the vision part of a `Blip2ForConditionalGeneration`."""
    torch.manual_seed(recipe.seed)
    known, text_width = words.table.shape
    width, slots = eyes.config.qformer_config.hidden_size, words.places.shape[1]
    bridge = Bridge(width, recipe.hidden, known, text_width, slots)
    with torch.no_grad():
        bridge.table.weight.copy_(words.table.T)

    # minutes, and for nothing where the stage is finished
    @functools.cache
    def looks() -> Tensor:
        return look(eyes, entities, recipe.views)

    @functools.cache
    def clean() -> Mapping[str, Tensor]:
        return clean_looks(eyes, entities)

    def loss_at(step: int) -> Tensor:
        states = looks()
        g = torch.Generator().manual_seed(hash_step(31, step))
        things = torch.randint(len(states), (recipe.schedule.batch,), generator=g)
        view = torch.randint(states.shape[1], (recipe.schedule.batch,), generator=g)
        return bridge_loss(bridge.scores(states[things, view].float()), words, things)

    @torch.no_grad()
    def evaluate() -> Mapping[str, float]:
        return recovered(bridge, words, clean())

    parameters = {name: p for name, p in bridge.named_parameters() if not name.startswith("table")}
    run_stage(
        "bridge", parameters, loss_at, recipe.schedule, folder, report,
        {**identity, "lead": LEAD, "views": recipe.views, "seed": recipe.seed}, evaluate,
        adam_only=("second", "places"),  # Muon's iterations on a square matrix cost more than a step
    )  # fmt: skip
    return bridge


def recovered(
    bridge: Callable[[Tensor], Tensor], words: Words, seen: Mapping[str, Tensor]
) -> dict[str, float]:
    """By artist, the share of visual tokens nearest to their word, and of things all of whose are."""
    found = {}
    for artist, states in seen.items():
        right = words.nearest(bridge(states.float())) == words.places
        found[f"{artist}_tokens"] = round(float(right.float().mean()), 3)
        found[f"{artist}_things"] = round(float(right.all(1).float().mean()), 3)
    return found


def look(eyes: Any, entities: Sequence[Entity], views: int) -> Tensor:
    """What the eyes make of each trained drawing, clean and distorted: [things, looks, queries, width]."""
    drawings = Drawings(entities)
    g = torch.Generator().manual_seed(hash_step(4, 0))
    flat = drawings.pixels.flatten(0, 1)
    flip = drawings.flip.repeat_interleave(len(TRAINED_ARTISTS))
    found = [_seen(eyes, flat), *(_seen(eyes, augment(flat, flip, g)) for _ in range(views))]
    stacked = torch.stack(found, 1)
    return stacked.view(len(entities), -1, *stacked.shape[2:])


def clean_looks(eyes: Any, entities: Sequence[Entity]) -> dict[str, Tensor]:
    """By artist, what the eyes make of their drawings as they are: [things, queries, width]."""
    return {artist: _seen(eyes, Drawings(entities, (artist,)).pixels[:, 0]) for artist in ARTISTS}


@torch.no_grad()
def _seen(eyes: Any, pixels: Tensor) -> Tensor:
    """Q-Former states [n, queries, width], kept at half precision."""
    return torch.cat([image_states(eyes, chunk).half() for chunk in torch.split(pixels, BATCH)])
