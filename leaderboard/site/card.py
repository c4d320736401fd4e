"""An editor's card: plain text with headings, lists and code, and nothing else that its writer decides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"#{1,6}\s+(.+?)\s*#*$")
_ITEM = re.compile(r"\s{0,3}[-*]\s+(.+)$")
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")
"""A cell of the line under a table's head."""
_FENCE = re.compile(r"\s{0,3}(```|~~~)")


@dataclass(frozen=True, slots=True)
class Part:
    """`kind` is "heading", "list", "table", "code" or "text".

    A list has a line for each of its items, a table one for each of its rows.
    """

    kind: str
    lines: tuple[str, ...]

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The cells of a table, row by row."""
        split = (tuple(cell.strip() for cell in _BAR.split(line.strip().strip("|"))) for line in self.lines)
        return tuple(cells for cells in split if not all(_RULE.fullmatch(cell) for cell in cells))


def parts_of(card: str) -> Iterator[Part]:
    """The parts of a card. Every character but the marks of these four stays as it is."""
    kind, held = "text", list[str]()
    code: list[str] | None = None
    for line in card.replace("\r\n", "\n").split("\n"):
        if code is not None:
            if _FENCE.match(line):
                yield Part("code", tuple(code))
                code = None
            else:
                code.append(line)
            continue
        item, heading = _ITEM.match(line), _HEADING.match(line)
        wanted = "list" if item or (kind == "list" and line.startswith("  ")) else "text"
        wanted = "table" if line.startswith("|") else wanted
        ends = bool(_FENCE.match(line)) or heading is not None or not line.strip() or wanted != kind
        if ends and held:
            yield _made(kind, held)
            held = []
        kind = wanted
        if _FENCE.match(line):
            code = []
        elif heading:
            yield Part("heading", (heading[1],))
        elif item:
            held.append(item[1])
        elif kind == "list" and held:
            held[-1] += f" {line.strip()}"
        elif line.strip():
            held.append(line.strip())
    if code is not None:
        yield Part("code", tuple(code))
    elif held:
        yield _made(kind, held)


def _made(kind: str, held: list[str]) -> Part:
    return Part("text", (" ".join(held),)) if kind == "text" else Part(kind, tuple(held))
