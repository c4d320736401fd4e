"""UniKE's open questions, measured: every reading of a decision note on the validation split.

    python benchmarks/readings.py                   # all of them
    python benchmarks/readings.py unike-init        # one

A reading is the shipped settings with some options changed, on both suites of a mini backbone, and is
compared with the first of its table edit by edit: the difference of the means over both suites, with its
paired 95 % interval. Records go to docs/decisions/evidence, and the tables between the marks of a note,

    <!-- reading NAME -->
    <!-- /reading -->

are written anew. Runs that are complete are not made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marked import put_between_marks

from mmedit_bench.execution.engines.local import LocalEngine
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.pool import carry_out
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.rendering.wording import difference
from mmedit_bench.runs.files import write_whole
from mmedit_bench.runs.folder import read_run
from mmedit_bench.scoring.pooling import pooled
from mmedit_bench.scoring.score import checked_run

DECISIONS = Path(__file__).parents[1] / "docs" / "decisions"
SUITE_NAMES = ("picturebook-vqa", "picturebook-caption")
FAMILY, COLUMNS = "generation", ("reliability/main", "generality", "locality", "mean", "hard")
HEADS = ("reliability", "generality", "locality", "mean", "hard")


@dataclass(frozen=True)
class Reading:
    """One table: rows of options, the first of which the others are compared with."""

    note: str
    rows: tuple[Mapping[str, Any], ...]
    backbones: tuple[str, ...] = ("minigpt4-mini",)
    always: Mapping[str, Any] = field(default_factory=dict)
    """Options that all rows have."""
    said: str = ""
    """What they have in common, in words."""


def rows(name: str, *values: Any) -> tuple[dict[str, Any], ...]:
    """One row for each value of one option; the first is what ships."""
    return tuple({name: value} for value in values)


BOTH = ("minigpt4-mini", "blip2-opt-mini")
LATENT_ALONE = {"intrinsic": False, "gate": "mass", "zeta": "none"}
READINGS = {
    "unike-alpha-side": Reading("0007-unike-alpha", rows("on_input", False, True), BOTH),
    "unike-alpha-space": Reading("0007-unike-alpha", rows("space", "state", "output")),
    "unike-contrast": Reading(
        "0008-unike-losses",
        (
            {"anchor": False, "temperature": 0.1},
            {"anchor": True, "temperature": 0.1},
            {"anchor": False, "temperature": 1.0},
            {"anchor": True, "temperature": 1.0},
        ),
        BOTH,
    ),
    "unike-init": Reading("0009-unike-init", rows("init", "query", "random")),
    "unike-steps": Reading("0010-unike-steps", rows("steps", 40, 10, 80)),
    "unike-sgd": Reading(
        "0010-unike-steps",
        ({"optimiser": "adam"}, {"optimiser": "sgd", "lr": 0.006}, {"optimiser": "sgd", "lr": 0.1}),
    ),
    "unike-beta": Reading("0011-unike-beta", rows("beta", 0.3, 0.1, 1.0, 10.0), BOTH),
    "unike-zeta-frozen": Reading(
        "0011-unike-beta",
        (
            {"zeta": "none"},
            *({"w_zeta": "store", "zeta": zeta} for zeta in ("random", "semantic", "real")),
            *({"w_zeta": "store", "zeta": zeta, "beta": 3.0} for zeta in ("random", "semantic", "real")),
        ),
        BOTH,
    ),
    "unike-layers": Reading("0012-unike-states", rows("layers", 4, 2)),
    "unike-own-states": Reading(
        "0013-unike-own-states",
        (
            *rows("own", "answer", "final"),
            {"own": "answer", "top_k": 8},
            {"own": "none", "top_k": 8},  # without own states there must be others
        ),
    ),
    "unike-gate": Reading("0013-unike-own-states", rows("gate", "dynamic", "mass"), BOTH),
    "unike-latent-alone": Reading(
        "0013-unike-own-states", rows("top_k", 0, 8, 40), always=LATENT_ALONE, said="only latent IKE"
    ),
    "unike-quiet": Reading("0014-unike-quiet-pairs", rows("memory_weight", 0.001, 0.0, 5.0), BOTH),
}


def main() -> None:
    """Writes records and notes; prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="Which; all of them by default.")
    parser.add_argument("--limit", type=int, default=100, help="Edits of a suite.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/readings"))
    given = parser.parse_args()
    suites = {name: SUITES.load(name)() for name in SUITE_NAMES}
    if unknown := [name for name in given.names if name not in READINGS]:
        parser.error(f"there is no reading {unknown[0]!r}; there are {', '.join(READINGS)}")
    for name in given.names or READINGS:
        reading = READINGS[name]
        found = {
            "reading": name, "split": "validation", "limit": given.limit, "always": dict(reading.always),
            "backbones": {
                backbone: measured(reading, backbone, suites, given.limit, given.runs, given.workers)
                for backbone in reading.backbones
            },
        }  # fmt: skip
        write_whole(DECISIONS / "evidence" / f"{name}.json", (json.dumps(found, indent=1) + "\n").encode())
        text = table(name, reading, found)
        note = DECISIONS / f"{reading.note}.md"
        held = put_between_marks(note.read_text(encoding="utf-8"), "reading", name, text)
        note.write_text(held, encoding="utf-8")
        print(text, flush=True)


def measured(
    reading: Reading, backbone: str, suites: Mapping[str, Any], limit: int, out: Path, workers: int
) -> list[dict[str, Any]]:
    """By row its numbers, and their differences from the first row's."""
    orders = [
        Order(
            suite=suite, backbone=backbone, editor="unike", split="validation", limit=limit,
            options={**reading.always, **row},
        )
        for row in reading.rows
        for suite in suites
    ]  # fmt: skip
    outcomes = carry_out(orders, out, engine=LocalEngine(workers))
    folders = []
    for outcome in outcomes:
        if outcome.folder is None:
            raise SystemExit(f"{outcome.order}: {outcome.error}")
        folders.append(outcome.folder)
    runs = [checked_run(folder, suites[o.order.suite]) for folder, o in zip(folders, outcomes, strict=True)]
    for folder, run in zip(folders, runs, strict=True):
        if run.state.failed:  # such a row would say what the unedited backbone does
            raise SystemExit(f"{folder}: {run.state.failed} edits failed; `mmedit-bench report` says why")
    each = [runs[start : start + len(suites)] for start in range(0, len(runs), len(suites))]
    prints = [read_run(folder).manifest.spec.fingerprint for folder in folders]
    return [
        {
            "options": dict(row),
            "fingerprints": prints[number * len(suites) : (number + 1) * len(suites)],
            "cells": numbers(pooled(own, FAMILY)),
            **({} if number == 0 else {"difference": numbers(pooled(own, FAMILY, each[0]))}),
        }
        for number, (row, own) in enumerate(zip(reading.rows, each, strict=True))
    ]


def numbers(estimates: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are shown, rounded."""
    return {
        key: {
            part: None if (value := getattr(own, part)) is None else round(value, 2)
            for part in ("value", "low", "high")
        }
        for key in COLUMNS
        if (own := estimates.get(key)) is not None
    }  # fmt: skip


def table(name: str, reading: Reading, found: Mapping[str, Any]) -> str:
    """The table of a note, with where its numbers come from."""
    lines = [f"| {reading.said} | {' | '.join(HEADS)} | mean against the first | hard |"]
    lines.append(f"|---|{'---:|' * (len(HEADS) + 2)}")
    for backbone, measured_rows in found["backbones"].items():
        for row in measured_rows:
            options = ", ".join(f"`{key}={spelt(value)}`" for key, value in row["options"].items())
            named = f"`{backbone}`, {options}" if len(found["backbones"]) > 1 else options
            values = [f"{row['cells'][key]['value']:.1f}" if key in row["cells"] else "" for key in COLUMNS]
            differences = [row.get("difference", {}).get(key) for key in ("mean", "hard")]
            versus = [difference(**own) if own else "" for own in differences]
            lines.append(f"| {' | '.join([named, *values, *versus])} |")
    on = "" if len(found["backbones"]) > 1 else f", `{next(iter(found['backbones']))}`"
    return "\n".join(
        [
            *lines,
            "",
            f"Validation split{on}, {found['limit']} edits of each suite, averaged, by generation; paired "
            f"differences; [record](evidence/{name}.json).",
        ]
    )


def spelt(value: Any) -> str:
    """An option's value as a note writes it."""
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


if __name__ == "__main__":
    main()
