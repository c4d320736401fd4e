"""One thing that an audit found, in the form in which it is stored and shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """`numbers` are counts and shares by name; `sentence` says them for people."""

    name: str
    numbers: Mapping[str, Any]
    sentence: str


def document(suite: str, split: str, findings: Iterable[Finding]) -> dict[str, Any]:
    """An audit as plain values for JSON: `{dataset, findings: [{finding, numbers, sentence, command}]}`."""
    command = f"mmedit-bench audit {suite} --split {split}"
    return {
        "dataset": suite,
        "findings": [
            {
                "finding": own.name,
                "numbers": dict(own.numbers),
                "sentence": own.sentence,
                "command": command,
            }
            for own in findings
        ],
    }


def counted(number: int, what: str, plural: str | None = None) -> str:
    """A number with the noun it counts: "1 edit", "2,093 edits"."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def of(number: int, total: int) -> str:
    """ "1,380 of 2,093"."""
    return f"{number:,} of {total:,}"
