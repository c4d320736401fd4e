"""Scorer families: which measurement goes with probes that should change and which with those to keep.

A family's two measurements answer the same kind of question (free decoding, token average, whole
answer). Numbers of different families are never put in one table.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmedit_bench.cases import KEEP_KINDS
from mmedit_bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class Family:
    """`change` and `keep` name functions of `scoring.metrics`; `title` is the plain description."""

    name: str
    change: str
    keep: str
    title: str

    def label(self, kind: str) -> str:
        """The measurement used for probes of `kind`."""
        return self.keep if kind in KEEP_KINDS else self.change


FAMILIES = {
    family.name: family
    for family in (
        Family("generation", "generation_exact", "generation_same", "free generation, whole answer"),
        Family(
            "teacher_forced_exact", "teacher_forced_exact", "agreement_exact", "teacher forcing, whole answer"
        ),
        Family(
            "teacher_forced_token", "teacher_forced_token", "agreement_top1", "teacher forcing, token average"
        ),
    )
}

MAIN_GROUPS = {
    "generality": ("text_generality/main", "image_generality/main"),
    "locality": ("text_locality/main", "image_locality/main"),
}
"""Group means over columns named kind/stratum."""

MEAN_OF = ("reliability/main", "generality", "locality")
"""The summary of the UniKE paper's table 5: mean of reliability, mean generality, mean locality."""


def family_named(name: str) -> Family:
    """The family called `name`; `BenchError` listing the known ones otherwise."""
    if name not in FAMILIES:
        raise BenchError(f"scorer family {name!r} is unknown; choose one of {', '.join(FAMILIES)}")
    return FAMILIES[name]
