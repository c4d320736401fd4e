"""Contexts that leave room for the questions to come."""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.editors import Backbone, BenchError, Context, Edit, EditCase, EditRequest, Query


def longest_question(backbone: Backbone, cases: Sequence[EditCase]) -> tuple[Query, str]:
    """The question and answer of the train split with the most tokens: what contexts must leave room for."""
    asked = [(case.request.query, case.request.target) for case in cases]
    asked += [(probe.query, probe.reference) for case in cases for probe in case.probes]
    lengths = backbone.input_lengths([query for query, _ in asked], [target for _, target in asked])
    return asked[max(range(len(asked)), key=lengths.__getitem__)]


def fitting(
    backbone: Backbone,
    request: EditRequest,
    shown: Sequence[str],
    last: str,
    longest: tuple[Query, str],
    reserve: int,
    *,
    drop_first: bool = True,
) -> Edit:
    """One context of the demonstrations `shown` and the text `last`, as many as fit the positions.

    Demonstrations are left out from the front, or from the back, until the longest question, its
    answer and `reserve` further tokens fit. The note says how many are in and how many are not.
    Raises `BenchError` if not even `last` fits.
    """
    asked = (longest, (request.query, request.target))
    for dropped in range(len(shown) + 1):
        kept = shown[dropped:] if drop_first else shown[: len(shown) - dropped]
        note = {"demonstrations": str(len(kept)), "dropped": str(dropped)}
        edit = Edit((Context("".join(kept) + last, request.id),), note)
        lengths = backbone.edited(edit).input_lengths([query for query, _ in asked], [t for _, t in asked])
        if max(lengths) + reserve <= backbone.max_positions:
            return edit
    raise BenchError(
        f"ike: the new fact alone does not fit the backbone's {backbone.max_positions} positions; "
        f"lower the option 'reserve' ({reserve}) or shorten the request"
    )
