"""Tables in plain Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmedit_bench.rendering.escaping import shown_line
from mmedit_bench.rendering.retention import HEAD, READING, TITLE, measured_rows
from mmedit_bench.rendering.table import Block
from mmedit_bench.rendering.wording import COSTS, costs, explained, with_margin

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#&~$])")


def markdown(blocks: Sequence[Block]) -> str:
    """One heading, one line on the measurement and one table for each block."""
    return "\n".join(_block(block) for block in blocks)


def escaped(text: str) -> str:
    """`text` so that Markdown shows it as it is, on one line, with no mark that turns its direction."""
    return _SPECIAL.sub(r"\\\1", shown_line(text))


def _block(block: Block) -> str:
    columns = block.headline + block.strata
    head = ["rank", "editor", *(column.short for column in columns), *COSTS, "edits", "note"]
    align = ["---", "---", *["---:"] * (len(columns) + len(COSTS) + 1), "---"]
    lines = [
        f"### {escaped(block.title)}",
        "",
        f"{escaped(block.label)}; percent ± half the 95 % interval. "
        f"Ranked by {escaped(block.summary.title)}.",
        "",
        line(head),
        line(align, keep=True),
    ]
    for row in block.rows:
        notes = [row.status] if row.status else []
        notes += ["control"] if row.scores.control else []
        lines.append(
            line(
                [
                    str(row.rank or ""),
                    row.name,
                    *(with_margin(row.cells.get(column.key)) for column in columns),
                    *costs(row.scores.cost),
                    str(row.scores.counts.done),
                    ", ".join(notes),
                ]
            )
        )
    for note in explained(block.reasons):
        lines += ["", escaped(note)]
    if measured := measured_rows([(row.name, row.scores) for row in block.rows]):
        lines += ["", f"#### {TITLE}", "", escaped(READING), "", line(HEAD)]
        lines += [line(["---"] * len(HEAD), keep=True), *map(line, measured)]
    return "\n".join(lines) + "\n"


def line(texts: Sequence[str], *, keep: bool = False) -> str:
    """A table's line; `keep` leaves the texts as they are, for those that hold Markdown already."""
    return f"| {' | '.join(text if keep else escaped(text) for text in texts)} |"
