"""Questions of the TRAIN split with a true and a false answer: what UniKE calls truthful and hallucinated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmedit_bench.editors import Backbone, BenchError, EditCase, Query

KNOWING = ("text_generality", "image_generality")
"""Probes that ask the edited question again: in other words, about another picture of the same thing."""


@dataclass(frozen=True)
class Triplet:
    """A question, what is true, and what is not (QI, A_pos, A_neg in section 3.2)."""

    query: Query
    right: str
    wrong: str


def triplets(backbone: Backbone, cases: Sequence[EditCase]) -> list[Triplet]:
    """At most one a question, in the order of the cases, labelled by truth and not by what an edit wants.

    The target of a correction is true, and the backbone's own other answer a mistake. The target of a
    counterfactual is false; what is true in its place is the target of a correction of the same
    question or, where there is none, what the backbone says, if it knows: if it says the same in
    other words and about another picture. A question of which neither is had is left out. Raises
    `BenchError` if none is left.
    """
    own = dict(zip([c.id for c in cases], backbone.answer([c.request.query for c in cases]), strict=True))
    truths = {c.request.query: c.request.target for c in cases if c.sort == "correction"}
    mistaken = {c.request.query for c in cases if _same(own[c.id], c.request.target)}
    unsettled = [c for c in cases if c.request.query not in mistaken and c.request.query not in truths]
    truths |= _steady(backbone, unsettled, {c.request.query: own[c.id] for c in unsettled})
    found: dict[Query, Triplet] = {}
    for case in cases:
        query, right = case.request.query, truths.get(case.request.query)
        wrong = own[case.id] if case.sort == "correction" else case.request.target
        if right is not None and query not in found and not _same(right, wrong):
            found[query] = Triplet(query, right, wrong)
    if not found:
        raise BenchError(
            f"{backbone.name}: of {len(cases)} training cases none has both a true and a false answer: "
            "no correction is answered wrongly, and no counterfactual is about something it knows"
        )
    return list(found.values())


def _steady(backbone: Backbone, cases: Sequence[EditCase], own: dict[Query, str]) -> dict[Query, str]:
    """Those of the backbone's `own` answers to the requests that it gives to every probe of `KNOWING` too."""
    asked = [
        (case.request.query, probe.query)
        for case in cases
        for probe in case.probes
        if probe.kind in KNOWING and probe.stratum == "main"
    ]
    again = backbone.answer([query for _, query in asked])
    doubted = {
        query for (query, _), answer in zip(asked, again, strict=True) if not _same(answer, own[query])
    }
    return {query: answer for query, answer in own.items() if query not in doubted}


def _same(one: str, other: str) -> bool:
    """Case and outer blanks do not count."""
    return one.strip().casefold() == other.strip().casefold()
