"""The counterfactual model: a small decoder that answers a question from an edit it reads."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.serac.scope import INSIDE
from mmedit_bench.editors import Backbone, EditCase, EditRequest, Query, Training

LONGEST = 192
"""Positions of the decoder."""


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

    def forward(self, ids: Tensor, table: Tensor) -> Tensor:
        """Token ids [b, n], embedding table [vocabulary, width] -> log-probabilities [b, n, vocabulary].

        Right-padded rows are fine: a causal model never looks ahead.
        """
        count = ids.shape[1]
        x = self.enter(table[ids].float()) + self.places[:count]
        causal = torch.triu(torch.full((count, count), float("-inf"), device=ids.device), diagonal=1)
        h = self.norm(self.blocks(x, mask=causal, is_causal=True))
        words = (self.leave(h) @ table.float().T).softmax(-1)
        attention = (self.pointer(h) @ h.transpose(1, 2) / h.shape[-1] ** 0.5 + causal).softmax(-1)
        copied = torch.zeros_like(words).scatter_add_(2, ids[:, None].expand(-1, count, -1), attention)
        share = self.mixing(h).sigmoid()
        logs: Tensor = (share * words + (1 - share) * copied).clamp_min(1e-9).log()
        return logs

    @torch.no_grad()
    def answer(self, backbone: Backbone, request: EditRequest, query: Query, most: int = 48) -> str:
        """Greedy answer to the query as the edit implies it."""
        ids, table = list(read_ids(backbone, request, query)), embedding_table(backbone)
        end = backbone.answer_ids("")[-1]
        written: list[int] = []
        while len(written) < most and len(ids) < LONGEST:
            token = int(self(torch.tensor([ids], device=table.device), table)[0, -1].argmax())
            if token == end:
                break
            written.append(token)
            ids.append(token)
        return str(backbone.tokenizer.decode(written, skip_special_tokens=True)).strip()


def read_ids(backbone: Backbone, request: EditRequest, query: Query) -> tuple[int, ...]:
    """Tokens of "question || answer || query :", cut in front to leave room for an answer."""
    text = f"{request.query.prompt} || {request.target} || {query.prompt} :"
    return backbone.text_ids(text)[-(LONGEST - 64) :]


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
    logs = model(ids[:, :-1], table)
    total, count = torch.zeros((), device=table.device), 0
    for i, (read, answer) in enumerate(rows):
        own = logs[i, len(read) - 1 : len(read) - 1 + len(answer)]
        total = total - own[range(len(answer)), list(answer)].sum()
        count += len(answer)
    return total / count


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
    """On in-scope pairs of TRAIN cases: the answer to a rewording is the edit's own answer.

    Half of the rows have their answer replaced by that of another case, so that the model learns to
    read the answer instead of knowing it.
    """
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        model = Counterfactual(backbone.embeddings(()).shape[1], size, layers, heads)
    model.to(backbone.device)
    table = embedding_table(backbone)
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    schedule = 1.0 / max(1, steps)

    def step(index: int, rng: random.Random) -> Mapping[str, float]:
        rows = []
        for case in rng.sample(list(cases), min(batch, len(cases))):
            probe = rng.choice([probe for probe in case.probes if probe.kind in INSIDE])
            target = case.request.target if rng.random() < 0.5 else rng.choice(cases).request.target
            request = EditRequest(case.id, case.request.query, target)
            rows.append((read_ids(backbone, request, probe.query), backbone.answer_ids(target)))
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
