"""The text models: first facts and context by text alone, then with the eyes' output in front."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import Blip2ForConditionalGeneration

from mmedit_bench.backbones.training.linears import bfloat16_linears
from mmedit_bench.backbones.training.pictures import augment
from mmedit_bench.backbones.training.sequences import Examples
from mmedit_bench.backbones.training.stage import Report, Schedule, run_stage
from mmedit_bench.backbones.training.vision import TRAINED_ARTISTS, Drawings, hash_step, image_states
from mmedit_bench.backbones.training.writing import IGNORED, Example
from mmedit_bench.datasets.picturebook.entities import Entity


@dataclass(frozen=True)
class Mixture:
    """Examples per step, and how many facts a context states at the most, early and late."""

    picture_questions: int
    text_questions: int
    captions: int
    contexts: int
    contexts_with_picture: int
    stated_at_first: int = 2
    stated_at_last: int = 10
    grown_at: float = 0.5
    """Share of the steps after which `stated_at_last` is reached."""

    def draw(self, examples: Examples, step: int, steps: int, salt: int) -> list[Example]:
        """The examples of one step, a function of (step, salt)."""
        r = random.Random(hash_step(salt, step))
        grown = min(1.0, step / (self.grown_at * steps))
        most = round(self.stated_at_first + grown * (self.stated_at_last - self.stated_at_first))
        out = [examples.picture_question(r) for _ in range(self.picture_questions)]
        out += [examples.caption(r) for _ in range(self.captions)]
        out += [examples.text_question(r) for _ in range(self.text_questions)]
        out += [examples.in_context(r, r.randint(0, most), picture=False) for _ in range(self.contexts)]
        out += [
            examples.in_context(r, r.randint(0, most), picture=True)
            for _ in range(self.contexts_with_picture)
        ]
        return out


class Glimpses:
    """Q-Former outputs of every trained drawing, clean and distorted, computed once: the eyes are frozen."""

    def __init__(
        self, model: Blip2ForConditionalGeneration, entities: Sequence[Entity], variants: int
    ) -> None:
        drawings = Drawings(entities)
        g = torch.Generator().manual_seed(hash_step(3, 0))
        flat = drawings.pixels.flatten(0, 1)
        flip = drawings.flip.repeat_interleave(len(TRAINED_ARTISTS))
        views = [flat, *(augment(flat, flip, g, strength=0.6) for _ in range(variants))]
        with torch.no_grad():
            states = [
                torch.cat([image_states(model, chunk) for chunk in torch.split(view, 256)]) for view in views
            ]
        self.states = torch.stack(states, 1).reshape(
            len(entities), len(TRAINED_ARTISTS), len(views), *states[0].shape[1:]
        )

    def pick(self, entities: Sequence[int], seed: int, clean: bool = False) -> Tensor:
        """[len(entities), queries, width]: a random artist and view of each (`clean`: undistorted)."""
        g = torch.Generator().manual_seed(seed)
        n = len(entities)
        artist = torch.randint(self.states.shape[1], (n,), generator=g)
        view = (
            torch.zeros(n, dtype=torch.long)
            if clean
            else torch.randint(self.states.shape[2], (n,), generator=g)
        )
        return self.states[torch.tensor(entities), artist, view]


def by_length(examples: Sequence[Example]) -> list[list[Example]]:
    """Examples apart by length, shortest first: padding all to the longest wastes most of the work."""
    parts: list[list[Example]] = []
    for example in sorted(examples, key=lambda e: len(e.ids)):
        if parts and len(example.ids) <= 1.3 * len(parts[-1][0].ids) + 12:
            parts[-1].append(example)
        else:
            parts.append([example])
    return parts


def batch_loss(
    model: Blip2ForConditionalGeneration, examples: Sequence[Example], seen: Tensor | None
) -> Tensor:
    """Mean cross-entropy over learnt tokens; `seen` [pictured examples, queries, width] in their order."""
    hidden, labels = _hidden(model, examples, seen)
    learnt = labels[:, 1:] != IGNORED
    logits = model.language_model.lm_head(hidden[:, :-1][learnt])
    return F.cross_entropy(logits, labels[:, 1:][learnt])


@torch.no_grad()
def exact(model: Blip2ForConditionalGeneration, examples: Sequence[Example], seen: Tensor | None) -> float:
    """Share of examples all of whose learnt tokens are predicted."""
    hidden, labels = _hidden(model, examples, seen)
    guesses = model.language_model.lm_head(hidden[:, :-1]).argmax(-1)
    right = (guesses == labels[:, 1:]) | (labels[:, 1:] == IGNORED)
    return float(right.all(1).float().mean())


def _hidden(
    model: Blip2ForConditionalGeneration, examples: Sequence[Example], seen: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Last hidden states [n, length, width] and labels [n, length], padded on the right."""
    length = max(len(e.ids) for e in examples)
    pad = model.config.text_config.pad_token_id
    ids = torch.tensor([e.ids + [pad] * (length - len(e.ids)) for e in examples])
    labels = torch.tensor([e.labels + [IGNORED] * (length - len(e.ids)) for e in examples])
    embedded = model.get_input_embeddings()(ids)
    if seen is not None:
        place = (ids == model.config.image_token_index).unsqueeze(-1)
        embedded = embedded.masked_scatter(place, model.language_projection(seen))
    # padding is on the right, where nothing that is learnt can see it: no mask but the causal one
    out = model.language_model.model(inputs_embeds=embedded, use_cache=False)
    return out.last_hidden_state, labels


def train_language(
    name: str,
    model: Blip2ForConditionalGeneration,
    examples: Examples,
    glimpses: Glimpses | None,
    mixture: Mixture,
    schedule: Schedule,
    folder: Path,
    report: Report,
    identity: Mapping[str, object],
    salt: int,
) -> None:
    """One stage on text alone (`glimpses` None) or with pictures; trains text model (and projection)."""
    parameters = {f"language_model.{k}": p for k, p in model.language_model.named_parameters()}
    if glimpses is not None:
        parameters.update(
            {f"language_projection.{k}": p for k, p in model.language_projection.named_parameters()}
        )

    def view(batch: Sequence[Example], seed: int, clean: bool = False) -> Tensor | None:
        pictured = [e.entity for e in batch if e.entity is not None]
        return glimpses.pick(pictured, seed, clean) if glimpses is not None and pictured else None

    def loss_at(step: int) -> Tensor:
        batch = mixture.draw(examples, step, schedule.steps, salt)
        parts = by_length(batch)
        weights = [sum(x != IGNORED for e in p for x in e.labels) for p in parts]
        with bfloat16_linears(model.language_model.model):
            losses = [batch_loss(model, p, view(p, hash_step(salt, step) + i)) for i, p in enumerate(parts)]
        return torch.stack([w * loss for w, loss in zip(weights, losses, strict=True)]).sum() / sum(weights)

    run_stage(
        name,
        parameters,
        loss_at,
        schedule,
        folder,
        report,
        identity,
        _evaluation(model, examples, view, glimpses),
    )


def _evaluation(
    model: Blip2ForConditionalGeneration,
    examples: Examples,
    view: Callable[..., Tensor | None],
    glimpses: Glimpses | None,
) -> Callable[[], Mapping[str, float]]:
    """Exact match, teacher-forced, on fixed samples: a look at progress, not the card's figures."""
    draws: dict[str, Callable[[random.Random], Example]] = {"text": examples.text_question}
    if glimpses is not None:
        draws["picture"] = examples.picture_question
        draws["caption"] = examples.caption
    for n in (1, 4, 8):
        draws[f"context_{n}"] = partial(examples.in_context, stated=n, picture=False)
        if glimpses is not None:
            draws[f"context_picture_{n}"] = partial(examples.in_context, stated=n, picture=True)

    def evaluate() -> Mapping[str, float]:
        model.eval()
        out = {}
        for key, draw in draws.items():
            r = random.Random(key)
            batch = [draw(r) for _ in range(96)]
            out[key] = round(exact(model, batch, view(batch, 0, clean=True)), 3)
        model.train()
        return out

    return evaluate
