"""What an audit looks at: texts of cases, and which pictures are the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmedit_bench.cases import EditCase, ImageRef
from mmedit_bench.datasets.annotated.pictures import identity
from mmedit_bench.errors import BadData

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

EDIT = "edit"
GROUPS = (EDIT, "text_generality", "text_locality", "image_locality", "portability")
"""Questions with words of their own; those of the other kinds repeat an edit's or a rephrase's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A probe. `picture` tells pictures apart and is None for a question without one."""

    kind: str
    stratum: str
    prompt: str
    picture: str | None
    reference: str


@dataclass(frozen=True, slots=True)
class Row:
    """An edit. `old` is the answer its record says the model gave before, where the data set records one."""

    id: str
    prompt: str
    picture: str | None
    target: str
    old: str | None
    probes: tuple[Asked, ...]

    def of(self, kind: str, stratum: str | None = None) -> Iterator[Asked]:
        """Its probes of a kind, and of a stratum if one is given."""
        return (own for own in self.probes if own.kind == kind and stratum in (None, own.stratum))


@dataclass(frozen=True, slots=True)
class Material:
    """The split that is audited, and the edits of the suite's other splits by split."""

    suite: str
    digest: str
    split: str
    rows: tuple[Row, ...]
    others: dict[str, tuple[Row, ...]]

    @property
    def learned(self) -> list[Row]:
        """All edits of the other splits: what may have been trained or chosen on."""
        return [row for rows in self.others.values() for row in rows]

    @property
    def elsewhere(self) -> str:
        """The other splits in words."""
        return " or ".join(self.others) or "another split"

    def questions(self) -> dict[str, list[str]]:
        """Prompts by group, of the groups that this suite has, in their order."""
        found: dict[str, list[str]] = {EDIT: [row.prompt for row in self.rows]}
        for kind in GROUPS[1:]:
            prompts = [own.prompt for row in self.rows for own in row.of(kind)]
            if prompts:
                found[kind] = prompts
        return found


def material(suite: Suite, split: str) -> Material:
    """What is audited of a suite; no picture is read. Raises `BadData` for an unknown or empty split."""
    if split not in suite.splits:
        raise BadData(f"suite {suite.name}: no split {split!r}; there are {', '.join(suite.splits)}")
    rows = {name: tuple(_rows(suite, name)) for name in suite.splits}
    if not rows[split]:
        raise BadData(f"suite {suite.name}: the split {split!r} has no edits, so there is nothing to audit")
    return Material(suite.name, suite.digest, split, rows.pop(split), rows)


def _rows(suite: Any, split: str) -> Iterator[Row]:
    recorded = getattr(suite, "old_answers", None)
    old = recorded(split) if recorded else {}
    cases: Iterable[EditCase] = suite.cases(split)
    for case in cases:
        probes = tuple(
            Asked(own.kind, own.stratum, own.query.prompt, _identity(own.query.image), own.reference)
            for own in case.probes
        )
        query = case.request.query
        picture = _identity(query.image)
        yield Row(case.id, query.prompt, picture, case.request.target, old.get(case.id), probes)


def _identity(image: ImageRef | None) -> str | None:
    return identity(image) if image else None
