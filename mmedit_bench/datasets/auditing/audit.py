"""All findings on a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmedit_bench.datasets.auditing.finding import Finding, counted, document
from mmedit_bench.datasets.auditing.leaks import leaks
from mmedit_bench.datasets.auditing.material import Material, material
from mmedit_bench.datasets.auditing.quality import quality
from mmedit_bench.datasets.auditing.shortcuts import shortcuts

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite


def audit(suite: Suite, split: str = "evaluation") -> dict[str, Any]:
    """The audit of a split against the suite's other splits, as `finding.document` has it.

    No picture file is read. Raises `BadData` for a split that the suite does not have.
    """
    seen = material(suite, split)
    return document(suite.name, split, [_size(seen), *leaks(seen), *shortcuts(seen), *quality(seen)])


def _size(seen: Material) -> Finding:
    others = {split: len(rows) for split, rows in seen.others.items()}
    told = ", ".join(f"{counted(count, 'edit')} in {split}" for split, count in others.items())
    return Finding(
        "edits", {seen.split: len(seen.rows), **others, "suite_digest": seen.digest},
        f"{counted(len(seen.rows), 'edit')} in {seen.split}" + (f", beside {told}." if told else "."),
    )  # fmt: skip
