"""Tables for a terminal of 100 columns."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmedit_bench.rendering.escaping import shown, shown_line
from mmedit_bench.rendering.retention import measured_text
from mmedit_bench.rendering.table import Block, RunRow
from mmedit_bench.rendering.wording import COSTS, costs, explained, margin, number
from mmedit_bench.scoring.columns import Column
from mmedit_bench.scoring.scores import Cell


def terminal(blocks: Sequence[Block], *, width: int = 100, color: bool = False) -> str:
    """All blocks as text: for each the main table, then near and far strata, then how to read it."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None,
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    for block in blocks:
        console.print(Text(shown_line(block.title), style="bold"))
        console.print(Text(shown_line(f"{block.label}; percent ± half the 95 % interval"), style="dim"))
        console.print(_table(block, block.headline, first=True))
        if block.strata:
            console.print(_table(block, block.strata, first=False))
        console.print(_costs(block))
        for note in _notes(block):
            console.print(Text(shown_line(note), style="dim"))
        console.print()
        if measured := measured_text([(row.name, row.scores) for row in block.rows]):
            console.print(Text(shown(measured)), soft_wrap=True)
    file = console.file
    assert isinstance(file, io.StringIO)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()).rstrip("\n") + "\n"


def _table(block: Block, columns: Sequence[Column], *, first: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    if first:
        table.add_column("#", no_wrap=True)
    table.add_column("editor", overflow="fold", min_width=8)
    for column in columns:
        # Broken at its spaces, a long heading does not widen its column.
        heading = shown(column.short).replace(" ", "\n")
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for row in block.rows:
        table.add_row(*_texts(row, columns, first=first), style="dim" if row.scores.control else "")
    return table


def _costs(block: Block) -> Table:
    """All cost columns, in a table of their own: beside seven scores there is no room for names."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("editor", overflow="fold", min_width=8)
    for head in COSTS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in block.rows:
        style = "dim" if row.scores.control else ""
        table.add_row(*map(Text, (shown_line(row.name), *costs(row.scores.cost))), style=style)
    return table


def _texts(row: RunRow, columns: Sequence[Column], *, first: bool) -> list[Text]:
    name = f"{row.name} ({row.status})" if row.status and first else row.name
    texts = [name, *(_number(row.cells.get(column.key)) for column in columns)]
    if first:
        texts = [_rank(row), *texts]
    return [Text(shown_line(text)) for text in texts]


def _number(cell: Cell | None) -> str:
    """Without spaces, so that seven columns leave room for names."""
    return f"{number(cell)}±{margin(cell)}" if margin(cell) else number(cell)


def _rank(row: RunRow) -> str:
    return str(row.rank) if row.rank else ""


def _planned(block: Block) -> str:
    """Rows can differ where a digest of the core code changed what an unedited model answers."""
    counts = sorted({row.scores.counts.planned for row in block.rows})
    return " or ".join(str(count) for count in counts)


def _notes(block: Block) -> list[str]:
    notes = [
        f"{_planned(block)} edits each; # is the range of places that the intervals of {block.summary.title} "
        "allow."
    ]
    if any(not row.scores.complete for row in block.rows):
        notes.append("Runs marked n of N are not complete and have no place.")
    if any(row.scores.control for row in block.rows):
        notes.append("Rows at the end without a place are controls.")
    if any(row.scores.counts.failed for row in block.rows):
        notes.append("A failed edit counts with the unedited model's answers.")
    return notes + explained(block.reasons)
