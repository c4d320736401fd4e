"""The tables of a document, cell by cell as texts: measured, published, and what lies between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.site.paper_documents import FAMILIES, made
from mmedit_bench.rendering.wording import MISSING, difference, half_life, seconds
from mmedit_bench.scoring.columns import CONCISE, HEADLINE, column
from mmedit_bench.scoring.families import HEADLINE_FAMILY, family_named

PUBLISHED_BY = "teacher_forced_token"
"""The measurement that the paper's numbers are of: only it is put beside them."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table. `kind` is "measured", "published", "between" or "" for one that stands alone."""

    kind: str
    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with what its numbers measure."""

    caption: str
    heads: tuple[str, ...]
    lines: tuple[Line, ...]


def tables(document: Mapping[str, Any], block: Mapping[str, Any]) -> list[Table]:
    """The tables of a block: one by each scorer, and what there is along sequences."""
    rows = made(block)
    main = [_scores(document, block, rows, family) for family in FAMILIES] if rows else []
    return [*main, *_along(rows), *_by_task(rows), *_left(rows)]


def _scores(document: Mapping[str, Any], block: Mapping[str, Any], rows: Sequence[Row], family: str) -> Table:
    wanted = CONCISE if "places" in block else HEADLINE
    columns = [key for key in wanted if any(row["cells"][family].get(key) for row in rows)]
    against = next((row["label"] for row in rows if row["key"] == document.get("against")), None)
    heads = [column(key).short for key in columns]
    heads += [f"vs {against}"] if against else []
    lines: list[Line] = []
    for row in rows:
        cells = [_spelt(row["cells"][family].get(key)) for key in columns]
        cells += [_versus(row, family)] if against else []
        name = row["label"] + (" (control)" if row["control"] else "")
        beside = {key: value for key, value in (row["published"] or {}).items() if key in columns}
        if family != PUBLISHED_BY or not beside:
            lines.append(Line("", name, (*cells, seconds(row["seconds_per_edit"]))))
            continue
        blank = [""] * (2 if against else 1)
        lines.append(Line("measured", name, (*cells, seconds(row["seconds_per_edit"]))))
        texts = [f"{beside[key]:.1f}" if key in beside else "" for key in columns]
        lines.append(Line("published", "published", (*texts, *blank)))
        texts = [_between(row["cells"][family].get(key), beside.get(key)) for key in columns]
        lines.append(Line("between", "measured − published", (*texts, *blank)))
    own = family_named(family)
    caption = (
        f"{own.title[0].upper()}{own.title[1:]}: {own.change} where the edit should reach, {own.keep} "
        f"elsewhere. Percent ± half the 95 % interval over {block['resampled']}."
    )
    return Table(caption, (*heads, "s/edit"), tuple(lines))


def _spelt(cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["value"] is None:
        return MISSING
    half = "" if cell["low"] is None else f" ±{(cell['high'] - cell['low']) / 2:.1f}"
    return f"{cell['value']:.1f}{half}"


def _between(cell: Mapping[str, Any] | None, published: float | None) -> str:
    return "" if cell is None or published is None else f"{cell['value'] - published:+.1f}"


def _versus(row: Row, family: str) -> str:
    return _signed(row.get("difference", {}).get(family, {}).get("mean"))


def _signed(cell: Mapping[str, Any] | None) -> str:
    return "" if cell is None else difference(cell["value"], cell["low"], cell["high"])


def _along(rows: Sequence[Row]) -> list[Table]:
    own = [(row, row["sequences"][HEADLINE_FAMILY]) for row in rows if row.get("sequences")]
    if not own:
        return []
    first = own[0][1]
    ages = bool(first["retention"])
    heads = [f"Rel after {point['at']}" for point in first["curve"]]
    heads += [f"Rel at age {point['at']}" for point in first["retention"]]
    heads += ["Half-life"] * ages + ["Area", "Order", "Gap"]
    lines = []
    for row, found in own:
        points = (*found["curve"], *found["retention"])
        cells = [_spelt(point["cells"].get(CONCISE[0])) for point in points]
        cells += [half_life(found["half_life"].get(CONCISE[0]))] * ages
        cells += [_spelt(found["area"].get(CONCISE[0])), _spelt(found["order_deviation"].get("mean"))]
        lines.append(Line("", row["label"], (*cells, _signed((row.get("gap") or {}).get("mean")) or MISSING)))
    caption = (
        f"Along {first['sequences']} sequences of {first['length']} edits, {first['orders']} orders each, "
        "free generation. After N: of all edits made so far; at age G: of an edit that G others followed. "
        "Half-life: the first age asked at which less than half of age 0 is left. Area: mean height along "
        "the sequence. Order: standard deviation of the mean between orders. Gap: one-step mean minus mean "
        "at the end."
    )
    return [Table(caption, tuple(heads), tuple(lines))]


def _by_task(rows: Sequence[Row]) -> list[Table]:
    own = [row for row in rows if row.get("sequences") and row["tasks"][HEADLINE_FAMILY]]
    if not own:
        return []
    tasks = list(own[0]["tasks"][HEADLINE_FAMILY])
    costs = bool(own[0]["sequences"][HEADLINE_FAMILY]["interference"])
    heads = [f"{task}: {head}" for task in tasks for head in (
        *(column(key).short for key in CONCISE), *["interference"] * costs,
    )]  # fmt: skip
    lines = []
    for row in own:
        cells: list[str] = []
        for task in tasks:
            cells += [_spelt(row["tasks"][HEADLINE_FAMILY][task].get(key)) for key in CONCISE]
            if costs:
                cells.append(
                    _signed(row["sequences"][HEADLINE_FAMILY]["interference"].get(task, {}).get("mean"))
                    or MISSING
                )
        lines.append(Line("", row["label"], tuple(cells)))
    note = " Interference: the task's mean alone minus in the mix, over the same edits in the same order."
    return [Table(f"By task, free generation.{note if costs else ''}", tuple(heads), tuple(lines))]


def _left(rows: Sequence[Row]) -> list[Table]:
    own = [row for row in rows if row.get("measures")]
    if not own:
        return []
    names = list(own[0]["measures"])
    lines = [
        Line("", row["label"], tuple(
            _signed((row["measures"].get(name) or {}).get("delta")) or MISSING for name in names
        ))
        for row in own
    ]  # fmt: skip
    return [Table("What is left of other abilities, at the end minus before.", tuple(names), tuple(lines))]
