"""Tables for a paper: LaTeX with the booktabs package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from mmedit_bench.rendering.escaping import shown_line
from mmedit_bench.rendering.table import Block, RunRow
from mmedit_bench.rendering.wording import MISSING, explained, margin, number, seconds, size
from mmedit_bench.scoring.columns import Column
from mmedit_bench.scoring.scores import Cell

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    MISSING: "--",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
} | {char: "\\" + char for char in "&%$#_{}"}


_JOINED = re.compile(r"([-,'])(?=\1)")
"""Two of these side by side are set as a dash or a quotation mark."""
_FIRST = re.compile(r"^[\[*]")
"""At the beginning of a row, an option of the line break before it."""


def latex(blocks: Sequence[Block]) -> str:
    """One floating table for each block. Needs \\usepackage{booktabs} and an encoding such as T1."""
    return "\n".join(_block(block) for block in blocks)


def escaped(text: str) -> str:
    """`text` as LaTeX sets it, on one line; nothing in it is a command or joins what stands beside it."""
    set_ = "".join(_ESCAPES.get(char, char) for char in _JOINED.sub(r"\1\0", shown_line(text)))
    return _FIRST.sub(r"{\g<0>}", set_).replace("\0", "{}")


def _block(block: Block) -> str:
    columns = block.headline
    groups = [(name, len(list(items))) for name, items in groupby(columns, key=lambda item: item.group)]
    heads, rules, place = [], [], 2
    for name, width in groups:
        heads.append(rf"\multicolumn{{{width}}}{{c}}{{{escaped(name)}}}")
        rules.append(rf"\cmidrule(lr){{{place}-{place + width - 1}}}")
        place += width
    heads.append(r"\multicolumn{2}{c}{Cost}")
    rules.append(rf"\cmidrule(lr){{{place}-{place + 1}}}")
    methods = [_row(row, columns) for row in block.rows if not row.scores.control]
    controls = [_row(row, columns) for row in block.rows if row.scores.control]
    body = methods + ([r"\midrule"] if methods and controls else []) + controls
    caption = f"{block.title}. {block.label}; percent with half the 95 % interval (bootstrap over units)."
    return floating(
        caption,
        f"l{'r' * len(columns)}rr",
        [
            " & ".join(["", *heads]) + r" \\",
            "".join(rules),
            " & ".join(["Editor", *(_title(column) for column in columns), "s/edit", "size"]) + r" \\",
        ],
        body,
        explained(block.reasons),
    )


def floating(
    caption: str, layout: str, head: Sequence[str], body: Sequence[str], notes: Sequence[str] = ()
) -> str:
    """A floating table from lines that are LaTeX already; caption and notes are texts."""
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{escaped(caption)}}}",
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            *head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\smallskip\footnotesize {escaped(note)}" for note in notes),
            r"\end{table}",
            "",
        ]
    )


def numbered(cell: Cell | None) -> str:
    """The value, and in small print half the interval, where there are such."""
    spread = rf"\,{{\scriptsize$\pm${margin(cell)}}}" if margin(cell) else ""
    return escaped(number(cell)) + spread


def _title(column: Column) -> str:
    return escaped(column.title)


def _row(row: RunRow, columns: Sequence[Column]) -> str:
    name = escaped(f"{row.name} ({row.status})" if row.status else row.name)
    cells = [numbered(row.cells.get(column.key)) for column in columns]
    cost = row.scores.cost
    return " & ".join([name, *cells, escaped(seconds(cost.seconds)), escaped(size(cost.edit_bytes))]) + r" \\"
