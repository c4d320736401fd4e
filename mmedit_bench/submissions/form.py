"""submission.yaml: who submits what, in which track."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import yaml

from mmedit_bench.errors import BenchError
from mmedit_bench.runs.files import read_regular
from mmedit_bench.submissions.fields import (
    FAMILIES,
    PLACEHOLDER,
    TRACKS,
    Rule,
    Wrong,
    day,
    listed,
    matching,
    one_of,
    or_null,
    parameters,
    printable,
    url,
)
from mmedit_bench.submissions.limits import MOST_FORM
from mmedit_bench.submissions.problems import Problem
from mmedit_bench.submissions.yaml_tree import Scalar, Tree, read, texts

SCHEMA = 1
FILE = "submission.yaml"

ParameterValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a method is described."""

    title: str
    url: str


def _paper(tree: Tree) -> Paper:
    if not isinstance(tree, dict) or set(tree) != {"title", "url"}:
        raise Wrong("it is no mapping of title and url", "write both, or null for no paper")
    try:
        title = printable(1, 300)(tree["title"])
    except Wrong as error:
        raise Wrong(error.text, error.fix, ".title") from None
    try:
        return Paper(title, url(tree["url"]))
    except Wrong as error:
        raise Wrong(error.text, error.fix, ".url") from None


RULES: Mapping[str, Rule] = {
    "id": matching(
        r"[a-z0-9][a-z0-9-]{0,59}", "1 to 60 lower-case letters, digits and hyphens, no hyphen first"
    ),
    "name": printable(1, 60),
    "editor": matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", "the name that the editor is registered under"),
    "track": one_of(TRACKS),
    "family": one_of(FAMILIES),
    "version": matching(
        r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,39}", "1 to 40 letters, digits and . + ! _ -, such as 1.0"
    ),
    "date": day,
    "authors": listed(printable(1, 100), least=1),
    "contact": matching(r"[@A-Za-z0-9][A-Za-z0-9@._/+-]{0,99}", "a handle such as @somebody"),
    "licence": matching(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,59}", "an SPDX identifier such as MIT"),
    "paper": or_null(_paper),
    "code": or_null(url),
    "training_data": listed(printable(1, 300)),
    "hyper_parameters": parameters,
    "description": printable(0, 500),
    "deviations": listed(printable(1, 1000)),
}
"""What every field may hold. All fields are there; there are no others but `schema`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What submission.yaml says."""

    id: str
    name: str
    """For display."""
    editor: str
    """The name that the editor is registered under."""
    track: str
    """One of `TRACKS`."""
    family: str
    """One of `FAMILIES`."""
    version: str
    date: str
    """ISO."""
    authors: tuple[str, ...]
    contact: str
    """A handle."""
    licence: str
    """An SPDX identifier."""
    paper: Paper | None
    code: str | None
    """An https address."""
    training_data: tuple[str, ...]
    """What it was trained on, beside the training split."""
    hyper_parameters: Mapping[str, ParameterValue] = field(hash=False)
    description: str
    deviations: tuple[str, ...]
    """All that differs from its paper."""

    @classmethod
    def parse(
        cls, text: str, where: str = FILE, *, given: Mapping[str, Any] | None = None
    ) -> tuple[Self | None, list[Problem]]:
        """What a text says, or all that is wrong with it. Never raises.

        White space in a value counts as one space, so a value may go on over several lines. `given`
        are fields whose values stand in place of the text's.
        """
        tree, problems = read(text, where)
        if tree is None:
            return None, problems
        if given:
            own, problems = read(yaml.safe_dump(dict(given), allow_unicode=True), where)
            if own is None:
                return None, problems
            tree = tree | own
        found: dict[str, Any] = {}
        problems = list(_schema(tree.pop("schema", None), where))
        for name in [name for name in tree if name not in RULES]:
            shown = name if len(name) <= 60 and name.isprintable() else ascii(name[:60])
            known = ", ".join(("schema", *RULES))
            problems.append(
                Problem(
                    "unknown-field",
                    f"{where}#{shown}",
                    "there is no such field",
                    f"remove it; known: {known}",
                )
            )
        for name, rule in RULES.items():
            at = f"{where}#{name}"
            if name not in tree:
                problems.append(Problem("missing-field", at, "it is missing", "add it"))
            elif any(one.startswith(PLACEHOLDER) for one in texts(tree[name])):
                problems.append(
                    Problem(
                        "placeholder", at, f"it still says {PLACEHOLDER}", "fill it in, or use null or []"
                    )
                )
            else:
                try:
                    found[name] = rule(tree[name])
                except Wrong as error:
                    problems.append(Problem("bad-field", at + error.at, error.text, error.fix))
        return (None, problems) if problems else (cls(**found), [])

    def text(self) -> str:
        """submission.yaml; `parse` gives the same back."""
        values: dict[str, Any] = {"schema": SCHEMA}
        for own in fields(self):
            value = getattr(self, own.name)
            if isinstance(value, Paper):
                value = asdict(value)
            elif isinstance(value, tuple):
                value = list(value)
            elif isinstance(value, Mapping):
                value = dict(value)
            values[own.name] = value
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _schema(tree: Tree | None, where: str) -> tuple[Problem, ...]:
    if isinstance(tree, Scalar) and type(tree.value) is int and tree.value == SCHEMA:
        return ()
    at = f"{where}#schema"
    if tree is None:
        return (Problem("missing-field", at, "it is missing", f"write `schema: {SCHEMA}`"),)
    return (Problem("bad-field", at, "it is another version of the form", f"write `schema: {SCHEMA}`"),)


def read_form(form: Path) -> str:
    """The text of a submission.yaml. Raises `BenchError` naming it."""
    try:
        return read_regular(form, MOST_FORM).decode("utf-8")
    except FileNotFoundError:
        raise BenchError(
            f"{form}: there is no such file; `mmedit-bench new-editor` writes one, or name it with --form"
        ) from None
    except UnicodeDecodeError:
        raise BenchError(f"{form} is not UTF-8; save it as such") from None
