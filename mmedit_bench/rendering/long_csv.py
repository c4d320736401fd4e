"""Exact numbers for further work: one CSV line for each number of each run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict

from mmedit_bench.rendering.escaping import cell as harmless
from mmedit_bench.rendering.table import ALL
from mmedit_bench.runs.spec import canonical
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.scores import RunScores

FIELDS = (
    "suite", "suite_digest", "split", "backbone", "backbone_digest", "protocol", "protocol_version",
    "protocol_options", "limit", "editor", "editor_version", "editor_options", "control", "fingerprint",
    "baseline", "family", "moment", "sort", "column", "label", "value", "low", "high", "n", "edits", "reason",
    "complete", "done", "planned", "failed", "seconds_per_edit", "bytes_per_edit",
)  # fmt: skip


def long_csv(runs: Iterable[RunScores], family: str) -> str:
    """A header and, for every run, one line per moment, sort and column; values in percent, exact.

    Numbers that do not exist are empty fields, and `reason` says why. A text that a spreadsheet would
    take for a formula has an apostrophe in front.
    """
    family_named(family)
    file = io.StringIO()
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    for run in runs:
        common = _common(run) | {"family": family}
        run.family(family)  # refuses one that was not recorded
        for moment, found in run.at.items():
            scores = found[family]
            for sort, cells in {ALL: scores.overall, **scores.by_sort}.items():
                place = common | {"moment": moment, "sort": sort}
                for column, cell in cells.items():
                    row = place | {"column": column} | asdict(cell)
                    writer.writerow({name: harmless(value) for name, value in row.items()})
    return file.getvalue()


def _common(run: RunScores) -> dict[str, object]:
    spec = run.spec.as_dict()
    counts = run.counts
    return {name: spec[name] for name in FIELDS if name in spec} | {
        "editor_options": canonical(spec["editor_options"]),
        "protocol_options": canonical(spec["protocol_options"]),
        "baseline": run.baseline,
        "control": int(run.control),
        "fingerprint": run.spec.fingerprint,
        "complete": int(run.complete),
        "done": counts.done,
        "planned": counts.planned,
        "failed": counts.failed,
        "seconds_per_edit": run.cost.seconds,
        "bytes_per_edit": run.cost.edit_bytes,
    }
