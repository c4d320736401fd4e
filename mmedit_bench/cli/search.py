"""`mmedit-bench search`: choose an editor's options on the validation split."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.run import parsed
from mmedit_bench.errors import BenchError

VALIDATION = "validation"
FAMILY, CRITERION = "generation", "mean"
SHOWN = ("reliability/main", "generality", "locality", CRITERION)


@click.command()
@click.option(
    "--suite", "suites", multiple=True, required=True, help="Suite; repeatable, scores are averaged."
)
@click.option("--backbone", required=True, help="Which model is edited; see `list backbones`.")
@click.option("--editor", required=True, help="Whose options are chosen; see `list editors`.")
@click.option(
    "--grid",
    "grids",
    multiple=True,
    required=True,
    metavar="KEY=V1,V2,...",
    help="Values to try; repeatable.",
)
@click.option("--limit", type=click.IntRange(min=1), default=60, show_default=True, help="Edits per suite.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/search"),
    show_default=True,
    help="Folder of the runs; a search that was stopped goes on.",
)
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), help="Write what was tried here.")
@speaks
def search(
    suites: tuple[str, ...],
    backbone: str,
    editor: str,
    grids: tuple[str, ...],
    limit: int,
    seed: int,
    out: Path,
    record: Path | None,
    output: Output,
) -> None:
    """Try all combinations of option values on the validation split and name the best.

    The best has the highest mean of reliability, generality and locality by generation, averaged
    over the suites; the first of equals wins. The evaluation split is never touched.

    \b
    Examples:
      mmedit-bench search --suite picturebook-vqa --suite picturebook-caption \\
          --backbone blip2-opt-mini --editor ft --grid lr=3e-4,1e-3,3e-3 --grid steps=10,20
    """
    from mmedit_bench.cli.score import score_all
    from mmedit_bench.execution.local import Order, Workshop
    from mmedit_bench.runs.provenance import resolved

    def ordered(suite: str, options: dict[str, Any]) -> Order:
        return Order(
            suite=suite, backbone=backbone, editor=editor, split=VALIDATION, limit=limit, seed=seed,
            options=options,
        )  # fmt: skip

    workshop, tried = Workshop(), []
    for options in combinations(grids):  # a value that is out of range is refused before the first run
        made = workshop.experiment(ordered(suites[0], options))
        resolved(made.editor, made.backbone, options)
    for options in combinations(grids):
        rows: dict[str, dict[str, Any]] = {}
        for suite in suites:
            order = ordered(suite, options)
            with output.progress(f"{suite} {options}") as advance:
                folder = workshop.run(order, out, progress=advance).folder
            ((_, scores),) = score_all([folder])
            cells = scores.family(FAMILY).overall
            values = {key: None if (v := cells[key].value) is None else round(v, 2) for key in SHOWN}
            rows[suite] = {"fingerprint": scores.spec.fingerprint, **values}
        means = [row[CRITERION] for row in rows.values()]
        if None in means:
            raise BenchError(f"{editor} {options}: no {CRITERION} could be scored; raise --limit ({limit})")
        average = round(sum(means) / len(means), 2)
        tried.append({"options": options, "average": average, "suites": rows})
        output.note(f"{options}: {average:.2f}")
    best = max(tried, key=lambda row: row["average"])
    found = {
        "backbone": backbone,
        "editor": editor,
        "split": VALIDATION,
        "limit": limit,
        "seed": seed,
        "criterion": f"{CRITERION} of reliability, generality and locality, {FAMILY}, averaged over suites",
        "best": best["options"],
        "tried": tried,
    }
    if record:
        record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    lines = [f"{row['average']:6.2f}  {row['options']}{'  <- best' if row is best else ''}" for row in tried]
    output.result(found, prose="\n".join(lines))


def combinations(grids: Sequence[str]) -> list[dict[str, Any]]:
    """`key=v1,v2` texts -> every combination, in the order given, the first key turning slowest."""
    keys, choices = [], []
    for grid in grids:
        key, equals, values = grid.partition("=")
        if not equals or not values or key in keys:
            raise click.BadParameter(
                f"{grid!r} is not of the form key=v1,v2, or its key is repeated", param_hint="--grid"
            )
        keys.append(key)
        choices.append([parsed([f"{key}={value}"])[key] for value in values.split(",")])
    return [dict(zip(keys, chosen, strict=True)) for chosen in itertools.product(*choices)]
