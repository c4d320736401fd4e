"""The counterfactual model: a small decoder that answers a question from an edit it reads."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from methods.serac.scope import INSIDE
from mmedit_bench.editors import Backbone, EditCase, EditRequest, Query, Training

LONGEST = 192
"""Positions of the decoder."""
ROOM = 64
"""Of these, left to an answer."""


class Counterfactual(nn.Module):
    """A causal transformer over [question of the edit || its answer || question :] and the new answer.

    Tokens enter as the backbone's frozen embeddings. The next token comes from a mixture of the
    vocabulary (the embeddings, tied) and of copying a token that was read.
    """

    def __init__(self, width: int, size: int, layers: int, heads: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, size)
        self.places = nn.Parameter(torch.randn(LONGEST, size) * 0.02)
        block = nn.TransformerEncoderLayer(
            size, heads, 4 * size, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(size)
        self.leave = nn.Linear(size, width)
        self.pointer = nn.Linear(size, size)
        self.mixing = nn.Linear(size, 1)

    def forward(self, ids: Tensor, table: Tensor, spots: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Token ids [b, n], embedding table [vocabulary, width] -> log-probabilities [b, n, vocabulary].

        With `spots`, rows and positions of k tokens, only theirs: [k, vocabulary]. A vocabulary is large,
        and of a training few tokens are asked. Right-padded rows are fine: a causal model never looks
        ahead.
        """
        count = ids.shape[1]
        x = self.enter(table[ids].float()) + self.places[:count]
        causal = torch.triu(torch.full((count, count), float("-inf"), device=ids.device), diagonal=1)
        h = self.norm(self.blocks(x, mask=causal, is_causal=True))
        scores = self.pointer(h) @ h.transpose(1, 2) / h.shape[-1] ** 0.5 + causal
        read = ids[:, None].expand(-1, count, -1)
        if spots is not None:
            h, scores, read = h[spots], scores[spots], read[spots]
        words = (self.leave(h) @ table.float().T).softmax(-1)
        copied = torch.zeros_like(words).scatter_add_(-1, read, scores.softmax(-1))
        share = self.mixing(h).sigmoid()
        logs: Tensor = (share * words + (1 - share) * copied).clamp_min(1e-9).log()
        return logs

    @torch.no_grad()
    def answers(
        self, backbone: Backbone, asked: Sequence[tuple[EditRequest, Query]], most: int = 48
    ) -> list[str]:
        """Greedy answers to queries as their edits imply them, all in one batch."""
        if not asked:
            return []
        table, end = embedding_table(backbone).float(), backbone.answer_ids("")[-1]
        read = [read_ids(backbone, request, query) for request, query in asked]
        written: list[list[int]] = [[] for _ in asked]
        going = list(range(len(asked)))
        reading = Reading(self, table, read)
        while going:
            chosen = reading.likely()
            for i in list(going):
                room = min(most, LONGEST - len(read[i]))
                if chosen[i] != end and len(written[i]) < room:
                    written[i].append(chosen[i])
                if chosen[i] == end or len(written[i]) >= room:
                    going.remove(i)
            if going:
                reading.add(chosen)
        return [str(backbone.tokenizer.decode(ids, skip_special_tokens=True)).strip() for ids in written]


class Reading:
    """Rows that the model has read, with the keys and values of its blocks; they grow token by token.

    `table` is in single precision.
    """

    def __init__(self, model: Counterfactual, table: Tensor, rows: Sequence[Sequence[int]]) -> None:
        device = table.device
        longest = max(map(len, rows))
        padded = [[*row, *[0] * (longest - len(row))] for row in rows]
        self._model, self._table = model, table
        self._lengths = torch.tensor([len(row) for row in rows], device=device)
        self._ids = torch.zeros(len(rows), 0, dtype=torch.long, device=device)
        self._own = torch.zeros(len(rows), 0, dtype=torch.bool, device=device)
        self._pairs: list[tuple[Tensor, Tensor] | None] = [None] * len(model.blocks.layers)
        self._states = torch.zeros(len(rows), 0, model.leave.in_features, device=device)
        steps = torch.arange(longest, device=device)
        self._read(
            torch.tensor(padded, device=device), steps.expand(len(rows), -1), steps < self._lengths[:, None]
        )
        self._last = self._lengths - 1
        """Where each row's last token stands."""

    def likely(self) -> list[int]:
        """The most likely next token of each row, as `Counterfactual.forward` has it at the last position."""
        model, rows = self._model, torch.arange(len(self._ids), device=self._ids.device)
        h = self._states[rows, self._last]
        words = (model.leave(h) @ self._table.T).softmax(-1)
        scores = (self._states @ model.pointer(h)[..., None])[..., 0] / h.shape[-1] ** 0.5
        attention = scores.masked_fill(~self._own, float("-inf")).softmax(-1)
        copied = torch.zeros_like(words).scatter_add_(1, self._ids, attention)
        share = model.mixing(h).sigmoid()
        found: list[int] = (share * words + (1 - share) * copied).argmax(-1).tolist()
        return found

    def add(self, tokens: Sequence[int]) -> None:
        """One more token per row; a row that is full repeats its last place and is not to be asked."""
        ids = torch.tensor(list(tokens), device=self._ids.device)[:, None]
        places = self._lengths.clamp_max(LONGEST - 1)[:, None]
        self._read(ids, places, torch.ones_like(ids, dtype=torch.bool))
        self._lengths = self._lengths + 1
        self._last = torch.full_like(self._last, self._ids.shape[1] - 1)

    def _read(self, ids: Tensor, places: Tensor, own: Tensor) -> None:
        model, before = self._model, self._ids.shape[1]
        self._ids = torch.cat([self._ids, ids], dim=1)
        self._own = torch.cat([self._own, own], dim=1)
        order = torch.arange(self._ids.shape[1], device=ids.device)
        seen = (order <= order[before:, None]) & self._own[:, None]  # [b, new, all]
        x = model.enter(self._table[ids]) + model.places[places]
        for number, block in enumerate(model.blocks.layers):
            x = x + self._attended(number, block, block.norm1(x), seen[:, None])
            x = x + block.linear2(gelu(block.linear1(block.norm2(x))))
        self._states = torch.cat([self._states, model.norm(x)], dim=1)

    def _attended(self, number: int, block: Any, h: Tensor, seen: Tensor) -> Tensor:
        attention = block.self_attn
        parts = linear(h, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
        q, k, v = (part.reshape(*part.shape[:2], attention.num_heads, -1).transpose(1, 2) for part in parts)
        if (held := self._pairs[number]) is not None:
            k, v = torch.cat([held[0], k], dim=2), torch.cat([held[1], v], dim=2)
        self._pairs[number] = k, v
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        out: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


def told(request: EditRequest, query: Query) -> str:
    """What a counterfactual model reads before it answers."""
    return f"{request.query.prompt} || {request.target} || {query.prompt} :"


def read_ids(backbone: Backbone, request: EditRequest, query: Query) -> tuple[int, ...]:
    """Tokens of "question || answer || query :", cut in front to leave room for an answer."""
    return backbone.text_ids(told(request, query))[-(LONGEST - ROOM) :]


def embedding_table(backbone: Backbone) -> Tensor:
    """The backbone's input embeddings, [vocabulary, width]."""
    return backbone.embeddings(range(len(backbone.tokenizer)))


def in_scope_loss(
    model: Counterfactual, table: Tensor, rows: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> Tensor:
    """Mean negative log-likelihood (nats) of the answers' tokens; rows of (read ids, answer ids)."""
    longest = max(len(read) + len(answer) for read, answer in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long, device=table.device)
    for i, (read, answer) in enumerate(rows):
        ids[i, : len(read) + len(answer)] = torch.tensor([*read, *answer])
    said = [
        (i, len(read) - 1 + at, token)
        for i, (read, answer) in enumerate(rows)
        for at, token in enumerate(answer)
    ]
    row, place, token = torch.tensor(said, device=table.device).T
    logs = model(ids[:, :-1], table, (row, place))
    return -logs.gather(1, token[:, None]).mean()


def drawn_lessons(
    cases: Sequence[EditCase], rng: random.Random, batch: int
) -> Iterator[tuple[EditRequest, Query, str]]:
    """An edit, a question in its scope and the answer that is to be said; of `batch` TRAIN cases.

    Half of the edits have their answer replaced by that of another case, so that a model learns to read
    the answer instead of knowing it.
    """
    for case in rng.sample(list(cases), min(batch, len(cases))):
        probe = rng.choice([probe for probe in case.probes if probe.kind in INSIDE])
        target = case.request.target if rng.random() < 0.5 else rng.choice(cases).request.target
        yield EditRequest(case.id, case.request.query, target), probe.query, target


def train_counterfactual(
    backbone: Backbone,
    cases: Sequence[EditCase],
    training: Training,
    *,
    size: int,
    layers: int,
    heads: int,
    steps: int,
    lr: float,
    batch: int,
) -> Counterfactual:
    """From nothing, on in-scope pairs of TRAIN cases: the answer to a rewording is the edit's own answer."""
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        model = Counterfactual(backbone.embeddings(()).shape[1], size, layers, heads)
    model.to(backbone.device)
    table = embedding_table(backbone).float()  # cast once: each step would keep a copy for its way back
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    schedule = 1.0 / max(1, steps)

    def step(index: int, rng: random.Random) -> Mapping[str, float]:
        rows = [
            (read_ids(backbone, request, query), backbone.answer_ids(answer))
            for request, query, answer in drawn_lessons(cases, rng, batch)
        ]
        loss = in_scope_loss(model, table, rows)
        for group in optimiser.param_groups:  # linear warm-up, then linear decay to a tenth
            group["lr"] = lr * min(1.0, (index + 1) / 50) * (1 - 0.9 * index * schedule)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return {"loss": loss.item()}

    training.run(steps, step, module=model, optimisers=[optimiser], label="counterfactual")
    model.eval()
    return model
