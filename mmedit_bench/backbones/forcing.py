"""Teacher forcing: what the model predicts at each answer position when it is shown the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmedit_bench.backbones.batch import Batch
from mmedit_bench.backbones.families import Family
from mmedit_bench.backbones.inputs import Row
from mmedit_bench.backbones.prompted import Prompted, sound
from mmedit_bench.interventions import asking


@dataclass(frozen=True)
class Forced:
    """One answer, position by position; the last position is </s>.

    `target_ids` are the answer's tokens, `argmax_ids` the most likely token at each position, and
    `logprobs` (nats) the log-probability of each target token. The last two are None for a query
    that a route answers: a text that was written elsewhere says nothing of a forced answer.
    """

    target_ids: tuple[int, ...]
    argmax_ids: tuple[int, ...] | None
    logprobs: tuple[float, ...] | None


def answer_logits(family: Family, batch: Batch, rows: Sequence[Row]) -> list[Tensor]:
    """Logits [answer tokens, vocabulary] that predict each row's answer."""
    longest = max(len(row.answer) for row in rows)
    with asking(len(row.answer) for row in rows):
        logits = family.run(batch, keep=longest + 1)
    # rows end together; the token at a position is predicted one position earlier
    return [logits[i, -len(row.answer) - 1 : -1] for i, row in enumerate(rows)]


def all_logits(family: Family, batch: Batch, rows: Sequence[Row]) -> list[Tensor]:
    """Logits [input and answer tokens but the last, vocabulary] of each row."""
    longest = max(row.length for row in rows)
    with asking(len(row.answer) for row in rows):
        logits = family.run(batch, keep=longest)
    return [logits[i, -row.length : -1] for i, row in enumerate(rows)]


def last_logits(family: Family, batch: Batch, counts: Sequence[int]) -> list[Tensor]:
    """Logits [count, vocabulary] at the last `count` positions of each row: what comes after them."""
    with asking(count - 1 for count in counts):
        logits = family.run(batch, keep=max(counts))
    return [logits[i, -count:] for i, count in enumerate(counts)]


def forced(logits: Tensor, target: tuple[int, ...]) -> Forced:
    """Compare logits [answer tokens, vocabulary] with the answer."""
    logprobs = logits.float().log_softmax(-1)
    picked = logprobs[range(len(target)), list(target)]
    return Forced(target, tuple(logits.argmax(-1).tolist()), tuple(picked.tolist()))


def shown(prompted: Prompted, answers: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Logits [answer tokens, vocabulary] that predict each answer, read on from the questions.

    What `answer_logits` gives, but for last bits, without reading the questions again. Raises
    `BenchError` as `sound` does.
    """
    longest = max(len(answer) for answer in answers) - 1
    first = prompted.logits[:, None]
    if longest:
        device = prompted.mask.device
        counts = torch.tensor([len(answer) - 1 for answer in answers], device=device)
        ids = [[*answer[:-1], *[0] * (longest + 1 - len(answer))] for answer in answers]
        logits = torch.cat([first, prompted.read(torch.tensor(ids, device=device), counts)], dim=1)
    else:
        logits = first
    return [sound(logits[i, : len(answer)]) for i, answer in enumerate(answers)]
