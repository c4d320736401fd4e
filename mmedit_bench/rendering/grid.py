"""A plain table of texts, in the form asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from mmedit_bench.rendering import latex, markdown


@dataclass(frozen=True, slots=True)
class Grid:
    """One table: the first `words` columns hold words, the others numbers."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def rendered(grids: Sequence[Grid], form: str) -> str:
    """All tables one after another; `form` is "terminal", "markdown" or "latex"."""
    draw = {"markdown": _markdown, "latex": _latex}.get(form, _terminal)
    return "\n".join(draw(grid) for grid in grids)


def csv_of(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Exact values as CSV; None is an empty field."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return file.getvalue()


def _terminal(grid: Grid) -> str:
    table = (grid.head, *grid.rows)
    widths = [max(len(row[place]) for row in table) for place in range(len(grid.head))]
    lines = [
        "  ".join(
            text.ljust(width) if place < grid.words else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([grid.title, *([grid.note] if grid.note else []), "", *lines, ""])


def _markdown(grid: Grid) -> str:
    align = ["---" if place < grid.words else "---:" for place in range(len(grid.head))]
    note = [markdown.escaped(grid.note), ""] if grid.note else []
    return "\n".join(
        [
            f"### {markdown.escaped(grid.title)}",
            "",
            *note,
            markdown.line(grid.head),
            markdown.line(align, keep=True),
            *map(markdown.line, grid.rows),
            "",
        ]
    )


def _latex(grid: Grid) -> str:
    def line(texts: Sequence[str]) -> str:
        return " & ".join(map(latex.escaped, texts)) + r" \\"

    layout = "l" * grid.words + "r" * (len(grid.head) - grid.words)
    caption = f"{grid.title}. {grid.note}" if grid.note else grid.title
    return latex.floating(caption, layout, [line(grid.head)], [line(row) for row in grid.rows])
