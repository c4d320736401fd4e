"""Exact numbers for further work: one CSV line for each number of each run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from mmedit_bench.rendering.table import ALL
from mmedit_bench.runs.spec import canonical
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.scores import RunScores

FIELDS = (
    "suite", "suite_digest", "split", "backbone", "backbone_digest", "protocol", "protocol_version", "limit",
    "editor", "editor_version", "editor_options", "control", "fingerprint", "family", "sort", "column",
    "label", "value", "low", "high", "n", "edits", "complete", "done", "planned", "failed",
    "seconds_per_edit", "bytes_per_edit",
)  # fmt: skip


def long_csv(runs: Iterable[RunScores], family: str) -> str:
    """A header and, for every run, one line per sort and column; values in percent, as exact as stored.

    Numbers that do not exist are empty fields.
    """
    family_named(family)
    file = io.StringIO()
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    for run in runs:
        scores = run.family(family)
        common = _common(run) | {"family": family}
        for sort, cells in {ALL: scores.overall, **scores.by_sort}.items():
            for column, cell in cells.items():
                writer.writerow(
                    common
                    | {"sort": sort, "column": column, "label": cell.label}
                    | {
                        "value": cell.value,
                        "low": cell.low,
                        "high": cell.high,
                        "n": cell.n,
                        "edits": cell.edits,
                    }
                )
    return file.getvalue()


def _common(run: RunScores) -> dict[str, object]:
    spec = run.spec.as_dict()
    counts = run.counts
    return {name: spec[name] for name in FIELDS if name in spec} | {
        "editor_options": canonical(spec["editor_options"]),
        "control": int(run.control),
        "fingerprint": run.spec.fingerprint,
        "complete": int(run.complete),
        "done": counts.done,
        "planned": counts.planned,
        "failed": counts.failed,
        "seconds_per_edit": run.cost.seconds,
        "bytes_per_edit": run.cost.edit_bytes,
    }
