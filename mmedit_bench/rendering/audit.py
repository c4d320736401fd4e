"""An audit in Markdown, and as the board keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmedit_bench.rendering.markdown import escaped, line


def audit_markdown(document: Mapping[str, Any]) -> str:
    """A heading, and for each finding its sentence and a table of its numbers; then the command."""
    lines = [f"# Audit of {escaped(document['dataset'])}", ""]
    for own in document["findings"]:
        lines += [f"## {escaped(own['finding'].replace('_', ' '))}", "", escaped(own["sentence"]), ""]
        lines += [*_table(own["numbers"]), ""]
    for command in dict.fromkeys(own["command"] for own in document["findings"]):
        lines += ["```console", f"$ {command}", "```", ""]
    return "\n".join(lines)


def board_findings(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The findings as a board's folder `audit/` holds them: a list, numbers flat and nothing but numbers."""
    return [
        {
            "dataset": document["dataset"],
            "finding": own["finding"].replace("_", " "),
            "numbers": dict(_flat(own["numbers"])),
            "sentence": own["sentence"],
            "command": own["command"],
        }
        for own in document["findings"]
    ]


def _flat(numbers: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name} ")
        elif isinstance(value, int | float):
            yield f"{before}{name}".replace("_", " "), value


def _table(numbers: Mapping[str, Any]) -> list[str]:
    """One row; or a row for each kind of question where numbers are told by kind."""
    by_kind = {name: own for name, own in numbers.items() if isinstance(own, Mapping)}
    if not by_kind:
        return [
            line(list(numbers)),
            line(["---:"] * len(numbers), keep=True),
            line([*map(_cell, numbers.values())]),
        ]
    columns = list(next(iter(by_kind.values())))
    head = [line(["questions of", *columns]), line(["---", *["---:"] * len(columns)], keep=True)]
    return head + [line([name, *(_cell(own[column]) for column in columns)]) for name, own in by_kind.items()]


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
