"""Exact numbers for further work: one CSV line for each number of each run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from mmedit_bench.protocols.steps import END
from mmedit_bench.rendering.escaping import cell as harmless
from mmedit_bench.rendering.protocol_numbers import MEAN, rows
from mmedit_bench.rendering.sections import owner
from mmedit_bench.rendering.table import ALL
from mmedit_bench.runs.spec import canonical
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.scores import RunScores

FIELDS = (
    "suite", "suite_digest", "split", "backbone", "backbone_digest", "protocol", "protocol_version",
    "protocol_options", "limit", "editor", "editor_version", "editor_options", "control", "fingerprint",
    "baseline", "family", "section", "moment", "statistic", "sort", "task", "column", "label", "unit",
    "value", "low", "high", "n", "edits", "reason", "complete", "done", "planned", "failed", "no_op_rate",
    "seconds_per_edit", "bytes_per_edit", "parameters_per_edit", "answer_overhead", "peak_bytes",
    "preparation_seconds",
)  # fmt: skip


def long_csv(runs: Iterable[RunScores], family: str) -> str:
    """A header and, for every run, one line per number; values in their unit, exact.

    Measured values come first, under the family "measure NAME", with their change and the number of
    units that collapsed. Then the family's own numbers, with an empty section; `statistic` is "mean",
    or what else a protocol measures (`protocol_numbers`). Then those of the sections made of the
    family's measurements, and with the headline family those that belong to none. Numbers that do not
    exist are empty fields, and `reason` says why. A text that a spreadsheet would take for a formula has
    an apostrophe in front.
    """
    family_named(family)
    file = io.StringIO()
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    for run in runs:
        run.family(family)  # refuses one that was not recorded
        common = _common(run) | {"family": family}
        for row in _rows(run, family):
            writer.writerow({name: harmless(value) for name, value in (common | row).items()})
    return file.getvalue()


def _rows(run: RunScores, family: str) -> Iterator[dict[str, object]]:
    yield from _measured(run)
    for moment, found in run.at.items():
        scores = found[family]
        parts = [(ALL, ALL, scores.overall)]
        parts += [(sort, ALL, cells) for sort, cells in scores.by_sort.items()]
        parts += [(ALL, task, cells) for task, cells in scores.by_task.items()]
        for sort, task, cells in parts:
            place = {"moment": moment, "statistic": MEAN, "sort": sort, "task": task}
            for column, cell in cells.items():
                yield place | {"column": column} | asdict(cell)
    for row in rows(run, family):
        yield {"sort": ALL} | row
    for name, section in run.sections.items():
        if owner(name) != family:
            continue
        for sort, cells in {ALL: section.overall, **section.by_sort}.items():
            place = {"section": name, "moment": END, "statistic": MEAN, "sort": sort, "task": ALL}
            for column, cell in cells.items():
                yield place | {"column": column} | asdict(cell)


def _measured(run: RunScores) -> Iterator[dict[str, object]]:
    """Lines of measured values: the measure stands for the family, in units of its own, not percent.

    A value has a line, and so have its change and the number of units that collapsed.
    """
    for measure, moments in run.measures.items():
        for moment, cells in moments.items():
            for name, cell in cells.items():
                place: dict[str, object] = {
                    "family": f"measure {measure}", "moment": moment, "statistic": MEAN, "sort": ALL,
                    "task": ALL, "n": cell.items,
                }  # fmt: skip
                yield place | {"column": name, "label": "value", "value": cell.value}
                if cell.delta is not None:
                    change = {"value": cell.delta, "low": cell.low, "high": cell.high}
                    yield place | {"column": name, "label": "change to the unedited model"} | change
                if cell.collapsed is not None:
                    yield place | {"column": name, "label": "collapsed units", "value": cell.collapsed}


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
        "no_op_rate": counts.no_op_rate,
        "seconds_per_edit": run.cost.seconds,
        "bytes_per_edit": run.cost.edit_bytes,
        "parameters_per_edit": run.cost.parameters,
        "answer_overhead": run.cost.overhead,
        "peak_bytes": run.cost.peak_bytes,
        "preparation_seconds": run.cost.preparation,
    }
