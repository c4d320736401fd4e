"""`mmedit-bench search`: choose an editor's options on the validation split."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.executors import executes
from mmedit_bench.cli.loading import loads
from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.run import parsed
from mmedit_bench.errors import BenchError

if TYPE_CHECKING:
    from mmedit_bench.execution.engine import Engine
    from mmedit_bench.execution.pool import Outcome

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
@executes("Runs at once; default: the cores, at most 4.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/search"),
    show_default=True,
    help="Folder of the runs; a search that was stopped goes on.",
)
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), help="Write what was tried here.")
@loads
@speaks
def search(
    suites: tuple[str, ...],
    backbone: str,
    editor: str,
    grids: tuple[str, ...],
    limit: int,
    engine: Engine,
    seed: int,
    loading: dict[str, str],
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
    from mmedit_bench.execution.order import Order
    from mmedit_bench.execution.pool import carry_out, look_over
    from mmedit_bench.runs.files import write_whole

    tries, suites = combinations(grids), tuple(dict.fromkeys(suites))
    orders = [
        Order(
            suite=suite, backbone=backbone, editor=editor, split=VALIDATION, limit=limit, seed=seed,
            options=options, loading=loading,
        )
        for options in tries
        for suite in suites
    ]  # fmt: skip
    look_over(orders)  # a value that is out of range is refused before the first run
    with output.blocks([order.suite for order in orders]) as ended:

        def told(outcome: Outcome) -> None:
            ended(outcome.order.suite, f"{_shown(outcome.order.options)} {outcome.seconds:.0f} s")

        outcomes = carry_out(orders, out, engine=engine, told=told)
    folders = [_folder(outcome) for outcome in outcomes]
    tried = []
    for number, options in enumerate(tries):
        own = folders[number * len(suites) : (number + 1) * len(suites)]
        rows = dict(zip(suites, map(_scored, own), strict=True))
        means = [row[CRITERION] for row in rows.values()]
        if None in means:
            raise BenchError(
                f"{editor} {_shown(options)}: no {CRITERION} could be scored; raise --limit ({limit})"
            )
        average = round(sum(means) / len(means), 2)
        tried.append({"options": options, "average": average, "suites": rows})
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
        write_whole(record, (json.dumps(found, indent=1) + "\n").encode())
    lines = [f"{row['average']:6.2f}  {row['options']}{'  <- best' if row is best else ''}" for row in tried]
    output.result(found, prose="\n".join(lines))


def _folder(outcome: Outcome) -> Path:
    """Where a try was recorded. Raises `BenchError` if it could not be made."""
    what = f"{outcome.order.editor} {_shown(outcome.order.options)} on {outcome.order.suite}"
    if outcome.folder is None:
        raise BenchError(f"{what}: {outcome.error}")
    return outcome.folder


def _scored(folder: Path) -> dict[str, Any]:
    """The numbers that are looked at, with the fingerprint by which the run can be made again."""
    from mmedit_bench.cli.score import score_all

    ((_, scores),) = score_all([folder])
    cells = scores.family(FAMILY).overall
    values = {key: None if (v := cells[key].value) is None else round(v, 2) for key in SHOWN}
    return {"fingerprint": scores.spec.fingerprint, **values}


def _shown(options: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in options.items())


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
