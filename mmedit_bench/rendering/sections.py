"""Sections, what edits do beyond the families: of one run in lines, of several runs in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmedit_bench.errors import BenchError
from mmedit_bench.rendering.grid import Grid
from mmedit_bench.rendering.table import ALL, Block
from mmedit_bench.rendering.wording import amount
from mmedit_bench.scoring.columns import column, in_order
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.scores import Cells, RunScores, Section

_BETTER = {"high": "high is good", "low": "low is good", "": ""}


def owner(name: str) -> str:
    """The family that a section is shown with: its own, or the headline's if it has none."""
    kind, _, family = name.partition("/")
    return family if family and kind != "gap" else HEADLINE_FAMILY


def named(run: RunScores, name: str, family: str) -> tuple[str, Section]:
    """The section `name`, such as "harm", as it is made of `family`, with its full name.

    Raises `BenchError` for one that there is not, naming those there are, and why it was left out.
    """
    for full in (name, f"{name}/{family}"):
        if full in run.sections:
            return full, run.sections[full]
        if full in run.left_out:
            raise BenchError(f"run {run.spec.folder_name} has no section {full}: {run.left_out[full]}")
    known = ", ".join(run.sections)
    raise BenchError(f"run {run.spec.folder_name} has no section {name!r} by {family}; it has {known}")


def lines(run: RunScores, family: str) -> Iterator[str]:
    """All sections of a run that are made of one family, in lines for a terminal."""
    for name, section in run.sections.items():
        if owner(name) == family:
            yield f"{name}: {section.title}"
            yield f"  [{measurement(section)}]"
            yield from _cells(section.overall)
    for name, reason in run.left_out.items():
        if name not in run.families and owner(name) == family and "/" not in name:
            yield f"{name}: {reason}"


def measurement(section: Section) -> str:
    """What its numbers are: label, unit, and which way is better."""
    # a column that takes the mean or the worst of several says so in front of a colon
    labels = [cell.label.rpartition(": ")[2] for cell in section.overall.values()]
    measured = " and ".join(dict.fromkeys(label for label in labels if " + " not in label))
    return ", ".join(filter(None, [measured, section.unit, _BETTER[section.good]]))


def _cells(cells: Cells) -> Iterator[str]:
    """Numbers under their columns' short names, wrapped."""
    texts = [f"{column(key).short} {amount(cells[key])}" for key in in_order(cells)]
    row = ""
    for text in texts:
        if row and len(row) + len(text) + 3 > _WIDTH:
            yield row
            row = ""
        row += f"   {text}" if row else f"  {text}"
    if row:
        yield row


_WIDTH = 98


def grids(blocks: Sequence[Block], name: str) -> list[Grid]:
    """One section of several runs: a table for each block, with its rows in the block's order.

    Raises `BenchError` if a run lacks the section.
    """
    return [_grid(block, name) for block in blocks]


def _grid(block: Block, name: str) -> Grid:
    found = [named(row.scores, name, block.family.name) for row in block.rows]
    cells = [section.overall if block.sort == ALL else section.by_sort[block.sort] for _, section in found]
    keys = in_order(key for own in cells for key in own)
    full, section = found[0]
    return Grid(
        block.title,
        f"{full}: {section.title} ({measurement(section)}), ± half the 95 % interval.",
        ("editor", *(column(key).short for key in keys)),
        tuple(
            (row.name, *(amount(own.get(key)) for key in keys))
            for row, own in zip(block.rows, cells, strict=True)
        ),
    )
