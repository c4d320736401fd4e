"""The same cases in the words of published evaluations.

The lines of the literature put their questions differently: one has a template around one kind of
probe only, another around the edited question only. A suite in such words is a suite of its own, with
a name and a digest of its own, registered as NAME-FORMAT; `run --prompt-format FORMAT` chooses it. As
the suite stands, every question is put in the same way, by the backbone's own template: that is the
format "clean".

A published format is the whole text only on a backbone whose own template is "{prompt}".
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mmedit_bench.cases import EditCase, Probe, Query
from mmedit_bench.datasets.suite import Suite, allow
from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import SUITES

CLEAN = "clean"
PLAIN = "{prompt}"
SHORT_ANSWER = "Question: {prompt} Short answer:"
THE_ANSWER_IS = "{prompt} The answer is:"
VQA = "vqa"
"""The task whose edited questions have a template of their own; a caption's prompt is no question."""

REWORDED = ("text_generality", "text_image_generality", "portability")


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """Templates, with a field {prompt}, of what a line of evaluations asks."""

    name: str
    title: str
    edited: str = PLAIN
    """Around the edited words of a VQA case, of its request and of the probes that ask in them."""
    reworded: str = PLAIN
    """Around other wordings of a VQA edit, and around questions that follow from it."""
    text_locality: str = PLAIN
    image_locality: str = PLAIN

    def template(self, case: EditCase, probe: Probe) -> str:
        """What stands around a probe's prompt."""
        if probe.kind == "text_locality":
            return self.text_locality
        if probe.kind == "image_locality":
            return self.image_locality
        if case.task != VQA:
            return PLAIN
        if probe.kind in REWORDED:  # also where the other wording happens to be the edited one
            return self.reworded
        return self.edited if probe.query.prompt == case.request.query.prompt else PLAIN

    def put(self, case: EditCase) -> EditCase:
        """The case in these words; ids, pictures, targets and references stay."""
        own = case.request
        request = dataclasses.replace(own, query=_in(self.edited if case.task == VQA else PLAIN, own.query))
        probes = tuple(
            dataclasses.replace(probe, query=_in(self.template(case, probe), probe.query))
            for probe in case.probes
        )
        return dataclasses.replace(case, request=request, probes=probes)


def _in(template: str, query: Query) -> Query:
    return query if template == PLAIN else Query(template.replace("{prompt}", query.prompt), query.image)


FORMATS: Mapping[str, PromptFormat] = {
    item.name: item
    for item in (
        PromptFormat(
            "legacy-trainer",
            "EasyEdit's trainer: locality questions with a picture in a template, nothing else",
            image_locality=SHORT_ANSWER,
        ),
        PromptFormat(
            "legacy-editor",
            "EasyEdit's editor: the edited question in a template, no other wording of it and no locality",
            edited=SHORT_ANSWER,
        ),
        PromptFormat(
            "liveedit",
            "LiveEdit: the answer announced after every question with a picture, a mark after those without",
            edited=THE_ANSWER_IS,
            reworded=THE_ANSWER_IS,
            text_locality="{prompt}?",
            image_locality=THE_ANSWER_IS,
        ),
    )
}
"""Published formats by name."""


class FetchedSuite(Suite, Protocol):
    """A suite of files that are not part of this package."""

    def absent(self) -> str | None:
        """What is missing before it can be used at all; None if nothing is."""

    def at(self, data: Path) -> FetchedSuite:
        """The same with its files below another folder."""

    def old_answers(self, split: str) -> Mapping[str, str]:
        """By case id, what the records say the model answered before."""


class Formatted:
    """A suite in the words of a published format."""

    def __init__(self, suite: Suite, format: str, *, bare: bool = False) -> None:
        """With `bare`, edits are asked as they stand whatever their task, as LiveEdit asks VLKEB's.

        Raises `BenchError` for a format that there is not.
        """
        if format not in FORMATS:
            raise BenchError(f"there is no prompt format {format!r}; choose among {', '.join(FORMATS)}")
        self.suite = suite
        known = FORMATS[format]
        self.format = dataclasses.replace(known, edited=PLAIN, reworded=PLAIN) if bare else known
        self.name = f"{suite.name}-{format}"
        self.task = suite.task
        self.splits = suite.splits
        self._put: dict[str, tuple[EditCase, ...]] = {}

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) of the suite's own digest and the templates."""
        form = self.format
        parts = (self.suite.digest, form.edited, form.reworded, form.text_locality, form.image_locality)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def cases(self, split: str) -> tuple[EditCase, ...]:
        """The suite's cases in its order, in other words. Raises as the suite does."""
        allow(self.name, split)
        if split not in self._put:
            self._put[split] = tuple(map(self.format.put, self.suite.cases(split)))
        return self._put[split]


class FormattedFiles(Formatted):
    """The same of a suite whose files have to be fetched."""

    suite: FetchedSuite

    def absent(self) -> str | None:
        """What is missing before it can be used at all; None if nothing is."""
        return self.suite.absent()

    def at(self, data: Path) -> FormattedFiles:
        """The same with its files below another folder."""
        made = copy.copy(self)
        made.suite, made._put = self.suite.at(data), {}
        made.__dict__.pop("digest", None)
        return made

    def old_answers(self, split: str) -> Mapping[str, str]:
        """As the suite's: a format puts other words around questions and none around answers."""
        allow(self.name, split)
        return self.suite.old_answers(split)


def in_format(suite: str, format: str) -> str:
    """The registered name of a suite in a format. Raises `BenchError` if it has not got that format."""
    if format == CLEAN:
        return suite
    name = f"{suite}-{format}"
    if name not in SUITES.names():
        SUITES.entry(suite)  # a suite that is unknown is a better message
        own = [CLEAN, *(item for item in FORMATS if f"{suite}-{item}" in SUITES.names())]
        raise BenchError(f"suite {suite!r} has no prompt format {format!r}; it has {', '.join(own)}")
    return name


def as_they_stand() -> tuple[str, ...]:
    """Names of all registered suites but those that are another one in a published format."""
    names = SUITES.names()
    forms = {f"{name}-{format}" for name in names for format in FORMATS}
    return tuple(name for name in names if name not in forms)
