"""What a card says in its fixed form: whose method it is, of which kind, how it departs from its paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ROW = re.compile(r"^\| (?P<name>[^|]+?) \| (?P<value>.+?) \|$", re.MULTILINE)
_TITLE = re.compile(r"\*(?P<title>[^*]+)\*")
_ARXIV = re.compile(r"\barXiv (?P<number>\d{4}\.\d{5})\b")
_DEVIATIONS = re.compile(r"^Deviations[^\n]*:\n\n(?P<items>(?:[-  ] ?[^\n]*\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Facts of a card; None and () where it states none."""

    family: str | None = None
    paper: tuple[str, str] | None = None
    """Title and address, of a paper that is on arXiv."""
    deviations: tuple[str, ...] = ()


def card_facts(text: str) -> CardFacts:
    """The rows "Family" and "Paper" of a card's first table, and the list under "Deviations:".

    What is not there, or not in that form, is left out: a card is prose, and free to differ.
    """
    rows: dict[str, str] = {}
    for row in _ROW.finditer(text):
        rows.setdefault(row["name"], row["value"])
    paper = rows.get("Paper", "")
    title, number = _TITLE.search(paper), _ARXIV.search(paper)
    return CardFacts(
        rows.get("Family"),
        (title["title"], f"https://arxiv.org/abs/{number['number']}") if title and number else None,
        tuple(_items(text)),
    )


def _items(text: str) -> Iterator[str]:
    """The items of the list, each in one line."""
    found = _DEVIATIONS.search(text)
    item: list[str] = []
    for line in found["items"].splitlines() if found else ():
        if line.startswith("- ") and item:
            yield " ".join(item)
            item = []
        item.append(line.removeprefix("- ").strip())
    if item:
        yield " ".join(item)
