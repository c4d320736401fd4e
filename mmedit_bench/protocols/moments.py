"""Names of the moments at which a protocol asks: one vocabulary for schedules and for scores."""

from __future__ import annotations

START = "start"
"""Nothing is edited yet."""
ALONE = "alone"
"""The cases of one task, without those of the other tasks beside them."""
UNDONE = "undone"
"""An edit was taken out again."""
WITHOUT = "without"
"""The same, had that edit never been made."""

_AFTER, _AGE = "after ", "age "


def after(edits: int) -> str:
    """All edited so far, when `edits` edits were made."""
    return f"{_AFTER}{edits}"


def age(edits: int) -> str:
    """A case when `edits` further edits were made since its own; 0: it was just edited."""
    return f"{_AGE}{edits}"


def edits_after(moment: str) -> int | None:
    """The number in `after`; None for any other moment."""
    return _number(moment, _AFTER)


def edits_of_age(moment: str) -> int | None:
    """The number in `age`; None for any other moment."""
    return _number(moment, _AGE)


def _number(moment: str, head: str) -> int | None:
    digits = moment.removeprefix(head)
    return int(digits) if digits != moment and digits.isdecimal() and digits.isascii() else None
