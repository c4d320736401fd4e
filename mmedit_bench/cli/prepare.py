"""`mmedit-bench prepare`: train what an editor needs before its first edit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from mmedit_bench.cli.loading import loads
from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.run import parsed


@click.command()
@click.option("--editor", required=True, help="Which editor is trained; see `list editors`.")
@click.option("--backbone", required=True, help="Which model it will edit; see `list backbones`.")
@click.option(
    "--suite",
    "suites",
    multiple=True,
    help="Suite whose train split is learned from; repeatable; default: all as they stand, if here.",
)
@click.option(
    "--scale",
    type=click.Choice(["embedded", "paper"]),
    help="Learn from the suites that `reproduce` measures at this scale, in place of --suite.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--device", default="cpu", show_default=True, help="Such as cpu or cuda:0.")
@click.option("--dtype", default="float32", show_default=True, help="float32, bfloat16 or float16.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of the editor; repeatable."
)
@click.option(
    "--artefacts",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the results; default: $MMEDIT_BENCH_HOME/artefacts, else in the user's cache.",
)
@loads
@speaks
def prepare(
    output: Output,
    suites: tuple[str, ...],
    scale: str | None,
    settings: tuple[str, ...],
    artefacts: Path | None,
    **order: Any,
) -> None:
    """Train an editor on the train split and keep the result for all later runs.

    The result is a safetensors file in a folder named by a fingerprint of all that decides it. The
    same command again goes on where it was stopped, or finds the work done. `run` does the same by
    itself when something is missing.

    \b
    Examples:
      mmedit-bench prepare --editor mend --backbone blip2-opt-mini
      mmedit-bench prepare --editor unike --backbone minigpt4-mini --suite picturebook-vqa
      mmedit-bench prepare --editor mend --backbone blip2-opt-2.7b --scale paper --device cuda
    """
    from mmedit_bench.datasets.prompts import as_they_stand
    from mmedit_bench.execution.local import Workshop
    from mmedit_bench.execution.order import Order
    from mmedit_bench.plugins.registry import SUITES

    workshop, made, lines = Workshop(artefacts), [], []
    if scale:
        if suites:
            raise click.BadParameter("it names the suites; leave --suite out", param_hint="--scale")
        suites = _at(scale, order)
    for suite in suites or [name for name in as_they_stand() if not _absent(SUITES.load(name)())]:
        planned = Order(suite=suite, options=parsed(settings), **order)
        with output.progress(f"{planned.editor} {suite}") as advance:
            artefact = workshop.prepare(planned, progress=advance)
        if artefact is None:
            output.result([], prose=f"{planned.editor} learns nothing: there is nothing to prepare")
            return
        made.append(
            {"suite": suite, "folder": str(artefact.folder), "new": artefact.new, **artefact.summary()}
        )
        did = "trained" if artefact.new else "already there, trained"
        size = artefact.nbytes / 1e6
        lines.append(f"{artefact.folder}\n  {did} in {artefact.seconds:.0f} seconds, {size:.1f} MB")
        output.say(lines[-1])  # as it comes: the next training may take hours
    output.result(made, prose="\n".join(lines) if output.quiet else None)


def _at(scale: str, order: Mapping[str, Any]) -> tuple[str, ...]:
    """The suites of table 1 at a scale. Raises `BenchError` where something is not here."""
    from mmedit_bench.reproduce.plan_runs import Means
    from mmedit_bench.reproduce.plans import TABLE1
    from mmedit_bench.reproduce.scales import at_scale, check

    places = [place._replace(backbone=order["backbone"]) for place in at_scale(TABLE1, scale).places]
    if scale != "embedded":
        check(places, Means(loading={order["backbone"]: order["loading"]}))
    return tuple(dict.fromkeys(place.suite for place in places))


def _absent(suite: Any) -> bool:
    """Whether files of a suite have to be fetched first; suites whose files ship do not say."""
    return hasattr(suite, "absent") and suite.absent() is not None
