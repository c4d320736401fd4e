"""An audit in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
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
