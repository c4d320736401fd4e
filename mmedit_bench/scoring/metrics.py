"""The measurements of one probe, each in [0, 1]. A score is their mean; `families` pairs them.

Symbols: a answer by free greedy decoding; r reference; n(.) normalisation; y_1..y_T token ids of the
reference, of which y_T is the end token; p_t most likely token at position t when y_1..y_{t-1} are
given (teacher forcing); a', p' the same before the edit.

The end token counts in the two `exact` measurements, because a model that goes on talking does not
give the reference; it is left out of the two token averages, where it would be a free point for
every short answer.

`METRICS`, at the end, is what this module registers under `mmedit_bench.metrics`. A measurement of
evidence that is recorded already needs a line there, and a test; nothing else knows metrics by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mmedit_bench.errors import BadData, BadRecord
from mmedit_bench.runs.evidence import ANSWER, ARGMAX, KINDS, Reading
from mmedit_bench.scoring.normalize import same_answer

Side = Literal["change", "keep"]
"""The probes that the edit should reach, and those that it should leave alone."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known of one probe of one run: what a metric may read."""

    kind: str
    reference: str
    target: tuple[int, ...]
    """Token ids of the reference, end token included."""
    edited: Reading
    before: Reading


@dataclass(frozen=True, slots=True)
class Metric:
    """One measurement: its name, what it needs, where it belongs, and how it is read."""

    label: str
    needs: tuple[str, ...]
    """Kinds of evidence (`runs.evidence`) that a run must have recorded."""
    side: Side
    family: str
    """Name of the pair that it makes with the metric of the other side."""
    title: str
    """What the family measures, in plain words; the same on both sides."""
    read: Callable[[Seen], float | None]
    """In [0, 1]; None where the edited model gave nothing to measure."""
    legacy: bool = False
    """Whether it repeats a published evaluation: such families are scored on request only."""

    def __post_init__(self) -> None:
        if unknown := [kind for kind in self.needs if kind not in KINDS]:
            raise BadData(f"metric {self.label}: there is no evidence {unknown[0]!r}; {', '.join(KINDS)} are")
        if self.side not in ("change", "keep"):
            raise BadData(f"metric {self.label}: side is {self.side!r}, not change or keep")

    def of(self, seen: Seen) -> float | None:
        """The measurement, or None where what it needs does not exist: a route answers by text alone.

        Raises `BadData` for a value outside [0, 1].
        """
        if any(getattr(seen.edited, kind) is None for kind in self.needs):
            return None
        value = self.read(seen)
        if value is not None and not 0 <= value <= 1:  # NaN is neither
            raise BadData(f"metric {self.label} gives {value}; a measurement lies in [0, 1]")
        return value


def generation_exact(answer: str, reference: str) -> float:
    """1[n(a) = n(r)]: the model, left alone, says the reference."""
    return float(same_answer(answer, reference))


def teacher_forced_token(argmax: Sequence[int], target: Sequence[int]) -> float:
    """(1 / (T-1)) sum_{t<T} 1[p_t = y_t]: share of the reference's tokens guessed, end token aside."""
    check_positions(argmax, target)
    return _share_equal(argmax[:-1], target[:-1])


def teacher_forced_exact(argmax: Sequence[int], target: Sequence[int]) -> float:
    """prod_{t<=T} 1[p_t = y_t]: every token of the reference guessed, the end token too."""
    check_positions(argmax, target)
    return float(list(argmax) == list(target))


def generation_same(answer: str, before: str) -> float:
    """1[n(a) = n(a')]: the model, left alone, still says what it said before the edit."""
    return float(same_answer(answer, before))


def agreement_top1(argmax: Sequence[int], before: Sequence[int]) -> float:
    """(1 / (T-1)) sum_{t<T} 1[p_t = p'_t]: share of positions with an unchanged guess, end token aside."""
    check_positions(argmax, before)
    return _share_equal(argmax[:-1], before[:-1])


def agreement_exact(argmax: Sequence[int], before: Sequence[int]) -> float:
    """prod_{t<=T} 1[p_t = p'_t]: no guess changed at any position, the end token's included."""
    check_positions(argmax, before)
    return float(list(argmax) == list(before))


def check_positions(one: Sequence[int], other: Sequence[int]) -> None:
    """Raises `BadRecord` unless both have a token, or more, and the end token."""
    if len(one) != len(other):
        raise BadRecord(f"{len(one)} guessed tokens against {len(other)}; the same positions are needed")
    if len(one) < 2:
        raise BadRecord("fewer than two token positions; at least one token and the end token are needed")


def _share_equal(one: Sequence[int], other: Sequence[int]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def _with_target(measure: Callable[[Sequence[int], Sequence[int]], float]) -> Callable[[Seen], float]:
    return lambda seen: measure(seen.edited.argmax or (), seen.target)


def _with_before(measure: Callable[[Sequence[int], Sequence[int]], float]) -> Callable[[Seen], float]:
    return lambda seen: measure(seen.edited.argmax or (), seen.before.argmax or ())


_FREE = ("generation", "free generation, whole answer")
_WHOLE = ("teacher_forced_exact", "teacher forcing, whole answer")
_TOKEN = ("teacher_forced_token", "teacher forcing, token average")

METRICS: tuple[Metric, ...] = (
    Metric(
        "generation_exact", (ANSWER,), "change", *_FREE,
        lambda seen: generation_exact(seen.edited.answer, seen.reference),
    ),
    Metric(
        "generation_same", (ANSWER,), "keep", *_FREE,
        lambda seen: generation_same(seen.edited.answer, seen.before.answer),
    ),
    Metric("teacher_forced_exact", (ARGMAX,), "change", *_WHOLE, _with_target(teacher_forced_exact)),
    Metric("agreement_exact", (ARGMAX,), "keep", *_WHOLE, _with_before(agreement_exact)),
    Metric("teacher_forced_token", (ARGMAX,), "change", *_TOKEN, _with_target(teacher_forced_token)),
    Metric("agreement_top1", (ARGMAX,), "keep", *_TOKEN, _with_before(agreement_top1)),
)  # fmt: skip
