"""Scores as the evaluations of the literature compute them, so that numbers can be put beside theirs.

Each family repeats one line of published code to the count: what is compared with what, at which
positions, divided by how many. They are scored on request only, because a number of one line says
nothing beside a number of another; `docs/comparability.md` says which table rests on which.

Symbols, beside those of `metrics`: the input is the question (context and picture's tokens included)
and the reference without its end token, N positions in all; g_i^k and g'_i^k are the k-th most likely
next tokens at its position i after and before the edit.

What every line has in common: teacher forcing, the end token is no part of a target, and one edit at a
time (batches of one), so that no padding is part of a score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.evidence import ARGMAX, TOP10
from mmedit_bench.scoring.metrics import Metric, Seen, agreement_top1, check_positions, teacher_forced_token

TEXT_RANKS, IMAGE_RANKS = 1, 10
"""Ranks compared at each position of a locality question without and with a picture."""

Rows = Sequence[Sequence[int]]
"""Token ids, best first, of each position."""


def target_exact(argmax: Sequence[int], target: Sequence[int]) -> float:
    """prod_{t<T} 1[p_t = y_t]: every token of the reference guessed; what follows it does not count."""
    check_positions(argmax, target)
    return float(list(argmax[:-1]) == list(target[:-1]))


def ranks_kept(after: Rows, before: Rows, ranks: int) -> float:
    """(1 / (N K)) sum_{i<=N} sum_{k<=K} 1[g_i^k = g'_i^k]: rank by rank, at every position of the input.

    Inputs of different length (a context stands before one of the questions) are aligned at their ends,
    and what the longer one has in front is dropped, whatever it is: its picture, say. K is `ranks`, or
    the number of tokens that there are. Raises `BadRecord` for rows that cannot be compared.
    """
    same = asked = 0
    shared = min(len(after), len(before))
    for one, other in zip(after[len(after) - shared :], before[len(before) - shared :], strict=True):
        mine, theirs = one[:ranks], other[:ranks]
        if len(mine) != len(theirs):
            raise BadRecord(f"{len(mine)} ranked tokens at a position against {len(theirs)}")
        same += sum(a == b for a, b in zip(mine, theirs, strict=True))
        asked += len(mine)
    if not asked:
        raise BadRecord("no ranked tokens at any position")
    return same / asked


def _ranked(of: Callable[[str], int]) -> Callable[[Seen], float]:
    def read(seen: Seen) -> float:
        after, before = seen.edited.top10 or (), seen.before.top10 or ()
        # an input holds its reference's tokens at the least: fewer rows are not those of this probe
        if min(len(after), len(before)) < len(seen.target):
            raise BadRecord(f"top10 has {len(after)} and {len(before)} positions, fewer than the reference")
        return ranks_kept(after, before, of(seen.kind))

    return read


def _token(seen: Seen) -> float:
    return teacher_forced_token(seen.edited.argmax or (), seen.target)


def _exact(seen: Seen) -> float:
    return target_exact(seen.edited.argmax or (), seen.target)


def _answer(seen: Seen) -> float:
    return agreement_top1(seen.edited.argmax or (), seen.before.argmax or ())


_by_kind = _ranked(lambda kind: TEXT_RANKS if kind == "text_locality" else IMAGE_RANKS)
_all_ten = _ranked(lambda kind: IMAGE_RANKS)

_LINES: tuple[tuple[str, str, Callable[[Seen], float], tuple[str, ...], Callable[[Seen], float]], ...] = (
    ("legacy_trainer_exact", "EasyEdit trainer, exact match", _exact, (TOP10,), _by_kind),
    ("legacy_trainer_token", "EasyEdit trainer, token average", _token, (TOP10,), _by_kind),
    ("legacy_editor", "editor of early EasyEdit and UniKE, answer positions", _token, (ARGMAX,), _answer),
    ("legacy_editor_ike", "editor of early EasyEdit and UniKE, rows of IKE", _token, (TOP10,), _all_ten),
    ("liveedit", "LiveEdit, answer positions", _token, (ARGMAX,), _answer),
)
"""Family, title, probes that should change, evidence of probes that should stay, and those probes."""

METRICS: tuple[Metric, ...] = tuple(
    metric
    for name, title, change, evidence, keep in _LINES
    for metric in (
        Metric(f"{name}_target", (ARGMAX,), "change", name, title, change, legacy=True),
        Metric(f"{name}_kept", evidence, "keep", name, title, keep, legacy=True),
    )
)
"""Two of each line; registered under `mmedit_bench.metrics`."""
