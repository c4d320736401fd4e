"""Training cases that a backbone answers otherwise than wanted: those an edit is for."""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.editors import Backbone, BenchError, EditCase


def wrongly_answered(backbone: Backbone, cases: Sequence[EditCase]) -> list[tuple[EditCase, str]]:
    """Cases whose request the backbone does not answer with the target, each with its own answer.

    Case and outer blanks do not count. Raises `BenchError` if no case is left.
    """
    answers = backbone.answer([case.request.query for case in cases])
    found = [
        (case, answer)
        for case, answer in zip(cases, answers, strict=True)
        if answer.strip().casefold() != case.request.target.strip().casefold()
    ]
    if not found:
        raise BenchError(
            f"{backbone.name} answers all {len(cases)} training cases as wanted: nothing to learn"
        )
    return found
