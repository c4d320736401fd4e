"""What is found wrong is collected, so that one look at a submission names all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a submission: `where` is file[:line] or file#field."""

    code: str
    """A word for programs, such as "missing-field"."""
    where: str
    text: str
    """What is wrong."""
    fix: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}; {self.fix}"
