"""`mmedit-bench search`: choose an editor's options on the validation split."""

from __future__ import annotations

import itertools
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

BUDGET = 10


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
    metavar="KEY=V1,V2,...",
    help="Values to try, all combinations; repeatable.",
)
@click.option(
    "--ladders",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="YAML file of values to begin with by option, which are climbed within --budget.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    help=f"Trials of a climb, the same for every editor that is compared; default: {BUDGET}.",
)
@click.option(
    "--criterion",
    type=click.Choice(["hard", "mean"]),
    default="hard",
    show_default=True,
    help="The summary that is to be highest: hard, or the mean of the paper's five columns.",
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Edits per suite.")
@executes("Runs at once; default: the cores, at most 4.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--device", default="cpu", show_default=True, help="Such as cpu or cuda:0.")
@click.option("--dtype", default="float32", show_default=True, help="float32, bfloat16 or float16.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/search"),
    show_default=True,
    help="Folder of the runs; a search that was stopped goes on.",
)
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), help="Write what was tried here.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the best options here, as an editor's file for this backbone; others that it holds are kept.",
)
@loads
@speaks
def search(
    suites: tuple[str, ...],
    backbone: str,
    editor: str,
    grids: tuple[str, ...],
    ladders: Path | None,
    budget: int | None,
    criterion: str,
    limit: int,
    engine: Engine,
    seed: int,
    device: str,
    dtype: str,
    loading: dict[str, str],
    out: Path,
    record: Path | None,
    config: Path | None,
    output: Output,
) -> None:
    """Try option values on the validation split and name the best.

    The best has the highest summary by generation, averaged over the suites; the first of equals wins.
    The evaluation split is never touched. With --grid all combinations are tried. Ladders are climbed
    one after the other within a budget, which every editor that is compared should have alike: where the
    best stands at an end the ladder is made longer, and what is left goes into finer steps.

    \b
    Examples:
      mmedit-bench search --suite picturebook-vqa --suite picturebook-caption \\
          --backbone blip2-opt-mini --editor ft --grid lr=3e-4,1e-3,3e-3 --grid steps=10,20
      mmedit-bench search --suite picturebook-vqa --suite picturebook-caption \\
          --backbone blip2-opt-mini --editor ft --ladders methods/ft/ladders.yaml --budget 10
    """
    from mmedit_bench.execution.order import Order
    from mmedit_bench.execution.searching.ladders import read_ladders
    from mmedit_bench.execution.searching.search import Search, configuration, shown, text_of
    from mmedit_bench.runs.files import write_whole

    suites = tuple(dict.fromkeys(suites))
    if bool(grids) == bool(ladders):
        raise click.UsageError("say what is tried by --grid or by --ladders, one of the two")
    if grids and budget:
        raise click.BadParameter("a grid is tried whole; leave the budget out", param_hint="--budget")
    tries, most = combinations(grids), budget or BUDGET
    held = _held(config) if config else {}  # a file that is none is told before the work, not after
    order = Order(
        suite=suites[0], backbone=backbone, editor=editor, limit=limit, seed=seed,
        device=device, dtype=dtype, loading=loading,
    )  # fmt: skip
    runs, wanted = 0, (most if ladders else len(tries)) * len(suites)
    with output.progress(editor) as advance:

        def told(outcome: Outcome) -> None:
            nonlocal runs
            runs += 1
            advance("runs", runs, wanted)

        def ended(trial: Mapping[str, Any]) -> None:
            output.note(f"{trial['average']:6.2f}  {shown(trial['options'])}")

        own = Search(order, suites, out, engine, criterion=criterion, told=told, ended=ended)
        found = own.climbed(read_ladders(ladders), most) if ladders else own.all_of(tries)
    if record:
        write_whole(record, text_of(found))
    if config:
        write_whole(config, configuration(found, (record or Path("search.json")).name, held))
    for name in found.get("open_ends", ()):
        output.note(f"the best {name} stands at the end of what was tried; raise --budget ({most})")
    lines = [
        f"{row['average']:6.2f}  {row['options']}{'  <- best' if row['options'] == found['best'] else ''}"
        for row in found["tried"]
    ]
    output.result(found, prose="\n".join(lines))


def _held(config: Path) -> dict[str, Any]:
    """What a file of options holds already. Raises `BenchError` for one that is none."""
    import yaml

    try:
        held = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BenchError(f"{config}: not YAML ({error}); mend it, or name another file") from None
    if held is not None and not isinstance(held, dict):
        raise BenchError(f"{config}: holds no mapping of options; mend it, or name another file")
    return held or {}


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
