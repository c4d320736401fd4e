"""What is recorded of a backbone's reply to one query, and how it is read back.

Metrics say which kinds of evidence they need; a run records those that its spec names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from mmedit_bench.errors import BadData, BadRecord
from mmedit_bench.runs.files import finite

ANSWER, ARGMAX, LOGPROBS, TOP10, KL = "answer", "argmax", "logprobs", "top10", "kl"

KINDS: Mapping[str, str] = {
    ANSWER: "the greedy answer, as text",
    ARGMAX: "the most likely token at each position of the reference, end token included",
    LOGPROBS: "the log-probability (nats) of each token of the reference, end token included",
    TOP10: "the ten most likely tokens, best first, at every position of the input and the reference",
    KL: "KL(unedited || edited) in nats at each position of the reference",
}
"""Every kind of evidence, with what it is."""

DEFAULT = (ANSWER, ARGMAX, LOGPROBS)
"""What every run records; the others are asked for, because they cost time or space."""

DECIMALS = 5
"""Decimals kept of a number: finer than any metric reads, coarser than the last bits of a sum."""
_LEAST, _MOST_TOKENS, _MOST_ANSWER = -1e6, 1 << 16, 1 << 20


def evidence(names: Sequence[str]) -> tuple[str, ...]:
    """The kinds named, with the default ones, in the order of `KINDS`. Raises `BadData` for others."""
    if unknown := [name for name in names if name not in KINDS]:
        raise BadData(f"there is no evidence {unknown[0]!r}; choose among {', '.join(KINDS)}")
    return tuple(name for name in KINDS if name in {*DEFAULT, *names})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a backbone says to one query. None stands for what was not recorded or does not exist.

    A query that a route answers has a text and nothing else: there is no distribution to read.
    """

    answer: str
    argmax: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    top10: tuple[tuple[int, ...], ...] | None = None
    kl: tuple[float, ...] | None = None

    @property
    def forced(self) -> bool:
        """Whether there is a reading under teacher forcing."""
        return self.argmax is not None

    def as_dict(self, kinds: Sequence[str]) -> dict[str, Any]:
        """Plain values of the kinds recorded, ready for JSON."""
        return {kind: _plain(getattr(self, kind)) for kind in kinds}

    @classmethod
    def from_dict(cls, values: object, kinds: Sequence[str]) -> Self:
        """The inverse of `as_dict`. Raises `BadRecord` naming the field."""
        if not isinstance(values, dict) or values.keys() != set(kinds):
            found = ", ".join(sorted(values)) if isinstance(values, dict) else type(values).__name__
            raise BadRecord(f"expected the evidence {', '.join(sorted(kinds))}; found {found}")
        read = {kind: _READERS[kind](values[kind], kind) for kind in kinds}
        made = cls(**read)
        given = [kind for kind in (ARGMAX, LOGPROBS, TOP10, KL) if getattr(made, kind) is not None]
        asked = [kind for kind in (ARGMAX, LOGPROBS, TOP10, KL) if kind in kinds]
        if given and given != asked:
            raise BadRecord(f"a reply has all of {', '.join(asked)} or none of them, not only {given[0]}")
        lengths = {len(getattr(made, kind)) for kind in (ARGMAX, LOGPROBS, KL) if kind in given}
        if len(lengths) > 1:
            raise BadRecord("argmax, logprobs and kl differ in length")
        return made


def rounded(values: Sequence[float]) -> tuple[float, ...]:
    """Numbers as they are recorded: `DECIMALS` decimals, no negative zero, nothing infinite.

    A token that a model rules out (minus infinity) is at the least that is recorded. Raises `BadData`
    for numbers that are none, and for plus infinity: what a model with broken weights computes.
    """
    if not all(value < math.inf for value in values):  # not a number is not below anything
        raise BadData("the model computes numbers that are not finite")
    return tuple(round(max(float(value), _LEAST), DECIMALS) + 0.0 for value in values)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > _MOST_ANSWER:
        raise BadRecord(f"{name} must be a text of at most {_MOST_ANSWER} characters")
    return value


def _items(value: object, name: str) -> list[Any] | None:
    if value is not None and (not isinstance(value, list) or len(value) > _MOST_TOKENS):
        raise BadRecord(f"{name} must be null or a list of at most {_MOST_TOKENS} items")
    return value


def _ids(value: object, name: str) -> tuple[int, ...] | None:
    items = _items(value, name)
    if items is None:
        return None
    if not all(type(item) is int and 0 <= item < 1 << 31 for item in items):
        raise BadRecord(f"{name} must be a list of token ids")
    return tuple(items)


def _numbers(value: object, name: str) -> tuple[float, ...] | None:
    items = _items(value, name)
    if items is None:
        return None
    if not all(map(finite, items)):
        raise BadRecord(f"{name} must be a list of finite numbers")
    return tuple(float(item) for item in items)


def _rows(value: object, name: str) -> tuple[tuple[int, ...], ...] | None:
    items = _items(value, name)
    return None if items is None else tuple(_ids(item, name) or () for item in items)


_READERS: Mapping[str, Callable[[object, str], Any]] = {
    ANSWER: _text, ARGMAX: _ids, LOGPROBS: _numbers, TOP10: _rows, KL: _numbers,
}  # fmt: skip
