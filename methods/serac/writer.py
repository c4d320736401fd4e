"""A published language model as counterfactual model: causal, such as OPT, or of two halves, such as T5."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from methods.serac.counterfactual import ROOM, drawn_lessons, told
from methods.serac.encoder import CLIP
from methods.serac.pretrained import MODEL, Blueprint, Part, padded, positions, read_network, rebuilt
from mmedit_bench.editors import Backbone, BenchError, EditCase, EditRequest, Query, Training

_IGNORED = -100


class Writer(Part):
    """Reads "question of the edit || its answer || question :" and writes the answer, in its own tokens."""

    def __init__(self, network: Any, blueprint: Blueprint) -> None:
        """Raises `BenchError` for a tokenizer without a token that ends a text."""
        super().__init__()
        self.network = network
        self.blueprint = blueprint
        self.tokenizer = blueprint.words()
        self.tokenizer.truncation_side = "left"
        if self.tokenizer.eos_token_id is None:
            raise BenchError(
                f"serac: option {MODEL!r} names a checkpoint whose tokenizer has no token that ends a text; "
                "choose another"
            )

    @classmethod
    def rebuilt(cls, packed: Tensor, tensors: dict[str, Tensor]) -> Writer:
        """From a packed blueprint and what was learned. Raises `BenchError` for what does not fit."""
        blueprint = Blueprint.unpacked(packed)
        return rebuilt(lambda: cls(blueprint.fresh(), blueprint), tensors)

    @property
    def halves(self) -> bool:
        """Whether one half reads and the other writes."""
        return bool(self.network.config.is_encoder_decoder)

    def read_ids(self, request: EditRequest, query: Query) -> list[int]:
        """Tokens of what is read, cut in front to leave room for an answer."""
        longest = positions(self.network.config) - ROOM
        found: list[int] = self.tokenizer(told(request, query), truncation=True, max_length=longest).input_ids
        return found

    def answer_ids(self, target: str) -> list[int]:
        """Tokens of an answer and the one that ends it, as they follow what was read."""
        text = target if self.halves else f" {target}"
        return [*self.tokenizer(text, add_special_tokens=False).input_ids, self.tokenizer.eos_token_id]

    def loss(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]], device: torch.device) -> Tensor:
        """Mean negative log-likelihood (nats) of the answers' tokens; rows of (read ids, answer ids)."""
        if self.halves:
            ids, mask = padded([read for read, _ in rows], device)
            wanted, said = padded([answer for _, answer in rows], device)
            wanted = wanted.masked_fill(said == 0, _IGNORED)
            logits = self.network(input_ids=ids, attention_mask=mask, labels=wanted).logits
        else:
            ids, mask = padded([[*read, *answer] for read, answer in rows], device)
            _, before = padded([read for read, _ in rows], device)
            own = mask.clone()
            own[:, : before.shape[1]] -= before  # what is written, not what is read
            wanted = ids.masked_fill(own == 0, _IGNORED)[:, 1:]
            logits = self.network(input_ids=ids, attention_mask=mask).logits[:, :-1]
        return cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=_IGNORED)

    @torch.no_grad()
    def answers(
        self, backbone: Backbone, asked: Sequence[tuple[EditRequest, Query]], most: int = 48
    ) -> list[str]:
        """Greedy answers to queries as their edits imply them, all in one batch."""
        from transformers import GenerationConfig

        if not asked:
            return []
        rows = [self.read_ids(request, query) for request, query in asked]
        ids, mask = padded(rows, backbone.device, left=not self.halves)
        end = self.tokenizer.eos_token_id
        greedy = GenerationConfig(
            do_sample=False, num_beams=1, max_new_tokens=min(most, ROOM), eos_token_id=end, pad_token_id=end,
            decoder_start_token_id=getattr(self.network.config, "decoder_start_token_id", None),
        )  # fmt: skip
        written = self.network.generate(input_ids=ids, attention_mask=mask, generation_config=greedy)
        said = written[:, 1 if self.halves else ids.shape[1] :].tolist()
        own = [row[: row.index(end)] if end in row else row for row in said]
        return [str(self.tokenizer.decode(row, skip_special_tokens=True)).strip() for row in own]


def train_writer(
    backbone: Backbone,
    cases: Sequence[EditCase],
    training: Training,
    *,
    source: str,
    steps: int,
    lr: float,
    batch: int,
) -> Writer:
    """Fine-tune a checkpoint by Adam without dropout, on what the editor's own counterfactual model learns.

    Raises `BenchError` for a checkpoint that cannot be read.
    """
    writer = Writer(*read_network(source, MODEL))
    writer.to(backbone.device).requires_grad_(True)
    optimiser = torch.optim.Adam(writer.parameters(), lr=lr)

    def step(index: int, rng: random.Random) -> Mapping[str, float]:
        rows = [
            (writer.read_ids(request, query), writer.answer_ids(answer))
            for request, query, answer in drawn_lessons(cases, rng, batch)
        ]
        loss = writer.loss(rows, backbone.device)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(writer.parameters(), CLIP)
        optimiser.step()
        return {"loss": loss.item()}

    training.run(steps, step, module=writer, optimisers=[optimiser], label="counterfactual")
    return writer.eval()
