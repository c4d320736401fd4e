"""Whether two processes that asked the same questions were given the same answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.records import Applied, Asked, Measured, StepRecord

TOLERANCE = 1e-3
"""How far two log-probabilities (nats), or measured values, of one question may lie apart.

Machines sum in different orders, which shows from the sixth digit on; an answer or a most likely token
that differs is never a matter of that. A hundred times what was seen between machines is allowed, and
less than any metric reads."""


def differences(ours: Sequence[StepRecord], theirs: Sequence[StepRecord]) -> Iterator[tuple[int, str, str]]:
    """Index of the record, the case it is about, and how it differs; both follow one schedule."""
    for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        for case, text in _of_one(our, their):
            yield index, case, text


def _of_one(our: StepRecord, their: StepRecord) -> Iterator[tuple[str, str]]:
    match our, their:
        case Applied(), Applied():
            if our.status != their.status:
                said = "could not be made" if our.status == "failed" else "was made"
                yield our.request, f"its edit is recorded as {their.status}, but {said} ({our.error})"
        case Asked(), Asked():
            if (our.status, our.edits) != (their.status, their.edits):
                yield our.case, f"asking is recorded as {their.status}, but was {our.status} ({our.error})"
            for mine, yours in zip(our.probes, their.probes, strict=True):
                if text := _reading(mine.reading, yours.reading):
                    yield our.case, f"probe {mine.id}: {text}"
        case Measured(), Measured():
            if our.status != their.status or our.values.keys() != their.values.keys():
                yield "", f"the measure {our.measure} came to other values"
            elif any(not _near(value, their.values[name]) for name, value in our.values.items()):
                yield "", f"the measure {our.measure} came to other numbers"


def _reading(our: Reading, their: Reading) -> str | None:
    if our.answer != their.answer:
        return f"answered {_short(our.answer)}, recorded {_short(their.answer)}"
    if our.argmax != their.argmax or our.top10 != their.top10:
        return "other tokens are the most likely ones"
    if not _near(our.logprobs, their.logprobs) or not _near(our.kl, their.kl):
        return f"log-probabilities differ by more than {TOLERANCE}"
    return None


def _near(ours: float | tuple[float, ...] | None, theirs: float | tuple[float, ...] | None) -> bool:
    mine, yours = _numbers(ours), _numbers(theirs)
    return len(mine) == len(yours) and all(
        math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for a, b in zip(mine, yours, strict=True)
    )


def _numbers(value: float | tuple[float, ...] | None) -> tuple[float, ...]:
    return () if value is None else value if isinstance(value, tuple) else (value,)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
