"""The shape of a table or figure: its rows, the places that they are measured at, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from mmedit_bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One row of a table or one point of a curve."""

    editor: str
    label: str
    """What the row is called here; {name} stands for a setting of the run."""
    options: Mapping[str, Any] = field(default_factory=dict)
    published: str | None = None
    """The method's name in the published table; None for a row that the paper lacks."""
    curve: str | None = None
    at: float | None = None
    """Which curve the point belongs to, and where on the x axis it stands."""
    only: str | None = None
    """The one protocol that the row is measured under; None: all of the plan's."""

    @property
    def key(self) -> str:
        """Unique among the rows of a plan."""
        return " ".join([self.editor, *(f"{name}={value}" for name, value in sorted(self.options.items()))])


class Place(NamedTuple):
    """A block: what is edited, on what and in which order it is measured, with the names in the paper."""

    backbone: str
    suite: str
    published_backbone: str
    published_task: str
    published_table: str | None = None
    """The table that prints the block; None: the plan's, "": none does."""
    protocol: str = "one-step"
    protocol_options: Mapping[str, Any] = MappingProxyType({})
    order: str = ""
    """In words, in which order the edits are made; "" for one at a time."""
    limit: int | None = None
    """Edits of the block; None: the plan's number."""

    @property
    def title(self) -> str:
        """What the block is called here."""
        return f"{self.suite} on {self.backbone}" + (f", {self.order}" if self.order else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """A table or figure to be measured."""

    target: str
    title: str
    places: tuple[Place, ...]
    rows: tuple[PlanRow, ...]
    limit: int | None
    """Edits per block; None: all that are needed."""
    split: str = "evaluation"
    published: str = ""
    """The table or figure of the paper that the numbers stand beside."""
    against: str | None = None
    """Key of the row that all others are compared with, edit by edit."""
    form: Literal["table", "means", "decay", "curves", "bars", "spaces"] = "table"
    axis: str = ""
    """What the x axis shows."""
    draws: str | None = None
    """Key of the row whose editor's spaces are drawn; the editor is `editors.Drawable`."""
    scale: str = ""
    """Named where the places are not the embedded ones."""
    pools: Mapping[str, str] = field(default_factory=dict)
    """For a plan of form "means": what is averaged, a title by the published table of its places."""

    def runs(self) -> Iterator[tuple[Place, PlanRow]]:
        """Every run, block by block."""
        for place in self.places:
            for row in self.rows:
                if row.only in (None, place.protocol):
                    yield place, row

    @property
    def blocks(self) -> tuple[tuple[Place, ...], ...]:
        """The places that share a block: one each, or those that are averaged."""
        if self.form != "means":
            return tuple((place,) for place in self.places)
        return tuple(
            tuple(place for place in self.places if place.published_table == table) for table in self.pools
        )

    def row(self, key: str) -> PlanRow:
        """The row with this key; there is one for `against` and for `draws`."""
        return next(row for row in self.rows if row.key == key)

    def __post_init__(self) -> None:
        keys = [row.key for row in self.rows]
        if len(set(keys)) < len(keys):
            raise BenchError(f"plan {self.target}: two rows are the same")
        if self.against is not None and self.against not in keys:
            raise BenchError(f"plan {self.target}: there is no row {self.against!r} to compare with")
        if (self.form == "means") != bool(self.pools) or not all(self.blocks):
            raise BenchError(f"plan {self.target}: a plan of form 'means', and no other, says what it pools")
        if (self.form == "spaces") != (self.draws is not None) or self.draws not in (None, *keys):
            raise BenchError(
                f"plan {self.target}: a plan of form 'spaces', and no other, names in `draws` a row whose "
                f"editor has spaces to draw; it names {self.draws!r}"
            )


def narrowed(plan: Plan, *, backbones: Sequence[str] = (), suites: Sequence[str] = ()) -> Plan:
    """The plan with its blocks on some backbones, and of some suites, alone; all of them where none is named.

    Raises `BenchError` for a backbone or a suite that it has no block on.
    """
    kept = plan.places
    for part, names in (("backbone", backbones), ("suite", suites)):
        known = dict.fromkeys(getattr(place, part) for place in kept)
        if unknown := [name for name in names if name not in known]:
            raise BenchError(
                f"{plan.target} has no block on {part} {unknown[0]!r}; it has some on {', '.join(known)}"
            )
        kept = tuple(place for place in kept if not names or getattr(place, part) in names)
    tables = {place.published_table or "" for place in kept}
    return replace(plan, places=kept, pools={t: title for t, title in plan.pools.items() if t in tables})
