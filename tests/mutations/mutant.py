"""A mutant: one deliberate mistake in a method, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
METHODS, TESTS = ROOT / "methods", ROOT / "tests" / "methods"
"""By their places: what examines a copy of the methods must not import these."""


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file`; with `new` in its place the method does something else."""

    name: str
    file: str
    """Below `methods/`."""
    old: str
    new: str
    wrong: str
    """What the method does with it that it should not."""
    killers: tuple[str, ...]
    """Tests that must fail, below `tests/methods/`: "test_x.py::test_y", with or without "[parameters]"."""

    def applied(self, source: str) -> str:
        """The file's text with the mistake in it. Raises `ValueError` unless `old` stands in it once."""
        if (count := source.count(self.old)) != 1:
            raise ValueError(
                f"{self.name}: the old text stands {count} times in methods/{self.file}, not once"
            )
        return source.replace(self.old, self.new)
