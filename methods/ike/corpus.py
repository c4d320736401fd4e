"""Demonstrations: facts of the train split and the text they are shown as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmedit_bench.editors import BenchError, EditCase, EditRequest, Probe

COPY, UPDATE, RETAIN = "copy", "update", "retain"

TYPES = (RETAIN, UPDATE, RETAIN, UPDATE, COPY, RETAIN, UPDATE, RETAIN)
"""Type of a demonstration by its rank, the most similar first, repeated: copy 1, update 3, retain 4."""


@dataclass(frozen=True)
class Fact:
    """A train case as a demonstration shows it: the fact, another wording of its question, and a
    question that the fact leaves alone with that question's own answer."""

    prompt: str
    target: str
    reworded: str
    unrelated: str
    unrelated_answer: str

    def tells(self, request: EditRequest) -> bool:
        """Whether this is the request's own fact: it would show the editor what it is asked to teach."""
        return (self.prompt, self.target) == (request.query.prompt, request.target)

    def shown(self, kind: str) -> str:
        """The demonstration of the given type."""
        answered = {
            COPY: f"{self.prompt} {self.target}",
            UPDATE: f"{self.reworded} {self.target}",
            RETAIN: f"{self.unrelated} {self.unrelated_answer}",
        }[kind]
        return f"New Fact: {self.prompt} {self.target}\nPrompt: {answered}\n\n"


def facts_of(cases: Sequence[EditCase]) -> tuple[Fact, ...]:
    """Facts of the cases that have a reworded and an unrelated question, each fact once.

    Demonstrations carry no picture, so cases with equal prompt and target are one fact: the first.
    Raises `BenchError` if no case can be shown.
    """
    facts: dict[tuple[str, str], Fact] = {}
    for case in cases:
        reworded, unrelated = _first(case, "text_generality"), _first(case, "text_locality")
        if reworded and unrelated:
            request = case.request
            fact = Fact(
                request.query.prompt,
                request.target,
                reworded.query.prompt,
                unrelated.query.prompt,
                unrelated.reference,
            )
            facts.setdefault((fact.prompt, fact.target), fact)
    if not facts:
        raise BenchError("ike: no train case has both a text_generality and a text_locality probe to show")
    return tuple(facts.values())


def _first(case: EditCase, kind: str) -> Probe | None:
    return next((probe for probe in case.probes if probe.kind == kind and probe.stratum == "main"), None)
