"""Greedy decoding with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mmedit_bench.backbones.prompted import Prompted, sound


def greedy(
    prompted: Prompted,
    room: Sequence[int],
    *,
    first: Sequence[int] | None = None,
    shrink: bool = True,
) -> list[list[int]]:
    """Most likely next tokens of each row, up to and without one that ends an answer.

    `room` is the number of tokens each row may get. It is the row's own limit, so that a row's
    answer does not depend on the rows beside it. `first` are the rows' first tokens, where they are
    known already. With `shrink`, rows that are done leave the batch; otherwise they ride along, which
    is for number types in which the shape of a batch decides more than last bits.
    """
    ends = prompted.family.ends
    written: list[list[int]] = [[] for _ in room]
    rows = list(range(len(room)))
    """Which of the rows each row of the batch is."""
    chosen = list(first) if first is not None else sound(prompted.logits).argmax(-1).tolist()
    going = [limit > 0 for limit in room]
    while True:
        for place, i in enumerate(rows):
            token = chosen[place]
            if going[i] and token not in ends:
                written[i].append(token)
            going[i] = going[i] and token not in ends and len(written[i]) < room[i]
        if not any(going):
            return written
        if shrink and not all(going[i] for i in rows):
            left = [place for place, i in enumerate(rows) if going[i]]
            prompted.only(left)
            rows, chosen = [rows[place] for place in left], [chosen[place] for place in left]
        running = torch.tensor([int(going[i]) for i in rows], device=prompted.mask.device)
        logits = prompted.read(torch.tensor(chosen, device=running.device)[:, None], running)
        chosen = sound(logits[:, -1]).argmax(-1).tolist()


def greedy_beside(
    prompted: Prompted,
    answers: Sequence[tuple[int, ...]],
    likely: Sequence[Sequence[int]],
    room: Sequence[int],
) -> list[list[int]]:
    """What `greedy` gives, for questions that were just `shown` these answers.

    `likely` are the most likely tokens at each position of each answer. As far as they are the
    answer's own, the model has read what it would have written; only from the first other one on is
    there something to write.
    """
    ends = prompted.family.ends
    written: list[list[int]] = []
    first: list[int] = []
    going: list[int] = []
    for i, (answer, guesses) in enumerate(zip(answers, likely, strict=True)):
        same = next(
            (n for n, pair in enumerate(zip(guesses, answer, strict=True)) if pair[0] != pair[1]), None
        )
        read = answer if same is None else answer[:same]
        end = next((n for n, token in enumerate(read) if token in ends), None)
        written.append(list(read[:end][: room[i]]))
        if end is None and same is not None and len(read) < room[i]:
            going.append(i)
            first.append(guesses[same])
    if going:
        longest = max(len(answer) for answer in answers) - 1
        prompted.back_to(going, [len(written[i]) for i in going], longest)
        rest = greedy(prompted, [room[i] - len(written[i]) for i in going], first=first)
        for i, more in zip(going, rest, strict=True):
            written[i] += more
    return written
