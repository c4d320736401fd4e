"""`mmedit-bench run`: one editor on one backbone and one suite."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.executors import executes
from mmedit_bench.cli.isolation import isolates
from mmedit_bench.cli.loading import loads
from mmedit_bench.cli.output import Output, speaks

if TYPE_CHECKING:
    from mmedit_bench.execution.engine import Engine
    from mmedit_bench.execution.isolated import Isolation
    from mmedit_bench.harness.run import RunResult

SOME_FAILED = 3
"""Exit status of a run that was carried out but in which an editor raised for some cases."""


_SCIENTIFIC = re.compile(r"[+-]?\d+\.?\d*[eE][+-]?\d+")
"""Numbers such as 3e-4, which YAML takes for a text."""


@click.command()
@click.option("--suite", required=True, help="What is edited and asked; see `list suites`.")
@click.option("--backbone", required=True, help="Which model is edited; see `list backbones`.")
@click.option("--editor", required=True, help="Who edits; see `list editors`.")
@click.option(
    "--protocol", default="one-step", show_default=True, help="In which order; see `list protocols`."
)
@click.option("--split", default="evaluation", show_default=True, help="Split of the suite.")
@click.option(
    "--prompt-format",
    metavar="NAME",
    default="clean",
    show_default=True,
    help="Words of a published evaluation: legacy-trainer, legacy-editor or liveedit.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Most edits made; default: all that are needed.")
@click.option(
    "--secret",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Ask probes drawn anew by the secret in FILE, and ask isolated editors blind.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--device", default="cpu", show_default=True, help="Such as cpu or cuda:0.")
@click.option("--dtype", default="float32", show_default=True, help="float32, bfloat16 or float16.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Queries at once."
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Threads of the processor for each process; part of what names the run.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder that the run's own folder is made in.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of the editor; repeatable."
)
@click.option(
    "--protocol-set", multiple=True, metavar="KEY=VALUE", help="An option of the protocol; repeatable."
)
@click.option("--evidence", multiple=True, metavar="KIND", help="Record this of every reply too; repeatable.")
@executes("Workers that share its units; each holds a backbone.", default=1)
@isolates
@loads
@click.option(
    "--edit-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Longest time for one edit; default: 600 with --isolate, else none.",
)
@click.option("--fail-fast", is_flag=True, help="End the run at the first failed edit; status 3.")
@speaks
def run(
    output: Output,
    out: Path,
    prompt_format: str,
    settings: tuple[str, ...],
    protocol_set: tuple[str, ...],
    engine: Engine,
    isolation: Isolation | None,
    edit_timeout: float | None,
    fail_fast: bool,
    **order: Any,
) -> None:
    """Run an editor and record every answer.

    The run's folder is named by a fingerprint of all that changes its outcome. The same command
    again goes on where it was stopped, or says that there is nothing left to do. `score` turns the
    records into numbers.

    An edit that fails is recorded as failed, counts against the editor, and the run goes on.

    With --secret the requests stay the same and the probes are drawn by a secret, a file of at least
    16 random bytes in hexadecimal digits: (umask 077; openssl rand -hex 16 > FILE). Score the run
    with the same file. An editor that you distrust is to run with --isolate beside it.

    Exit status: 0 done; 2 something to mend, see the message; 3 done, but the editor failed on
    some cases; 130 interrupted.

    \b
    Examples:
      mmedit-bench run --suite picturebook-vqa --backbone blip2-opt-mini --editor ft --limit 50
      mmedit-bench run --suite picturebook-caption --backbone minigpt4-mini --editor ike \\
          --set demonstrations=8 --out runs
      mmedit-bench run --suite picturebook-vqa --backbone blip2-opt-mini --editor serac \\
          --isolate --secret FILE
      mmedit-bench run --suite picturebook-vqa --backbone blip2-opt-mini --editor unike \\
          --executor submitit --workers 8 --slurm partition=gpu --slurm time=2:00:00 --device cuda
      mmedit-bench run --suite picturebook-vqa --backbone blip2-opt-mini --editor theirs --sandbox
    """
    from mmedit_bench.datasets.prompts import in_format
    from mmedit_bench.execution.local import Workshop
    from mmedit_bench.execution.order import Order
    from mmedit_bench.execution.pool import look_first

    order["suite"] = in_format(order["suite"], prompt_format)
    if edit_timeout and not isolation and (engine.workers > 1 or not engine.here):
        raise click.BadParameter(
            "several processes keep no time; use one, or --isolate", param_hint="--edit-timeout"
        )
    if order["secret"]:
        order["secret"] = order["secret"].absolute()  # workers may stand in another folder
    order["options"] = parsed(settings)
    order["protocol_options"] = parsed(protocol_set, "--protocol-set")
    ordered = Order(**order)
    look_first(ordered, apart=isolation is not None)
    with output.progress(order["editor"]) as advance:
        alone = engine.here and engine.workers == 1  # this process does it all
        result = Workshop().run(
            ordered, out, progress=advance, engine=None if alone else engine, isolation=isolation,
            deadline=edit_timeout, fail_fast=fail_fast,
        )  # fmt: skip
    output.result(as_dict(result), prose=describe(result))
    secret = f" --secret {order['secret']}" if order["secret"] else ""
    output.say(f"next: mmedit-bench score {result.folder}{secret}")
    if result.failed:
        raise SystemExit(SOME_FAILED)


def parsed(settings: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """`key=value` pairs, the values read as YAML scalars."""
    import yaml

    options: dict[str, Any] = {}
    for item in settings:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{item!r} is not of the form key=value", param_hint=option)
        if key in options:
            raise click.BadParameter(f"{key} is given twice", param_hint=option)
        try:
            options[key] = float(value) if _SCIENTIFIC.fullmatch(value) else yaml.safe_load(value)
            json.dumps(options[key], allow_nan=False)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            options[key] = value  # a date, say, is no value that a record could hold: it is a text
    return options


def as_dict(result: RunResult) -> dict[str, Any]:
    """A run's outcome for scripts."""
    return {
        "folder": str(result.folder),
        "status": result.status,
        "units": result.units,
        "new": result.new,
        "failed": result.failed,
        "considered": result.selection.considered,
        "already_right": result.selection.already_right,
        "edits": result.selection.kept,
    }


def describe(result: RunResult) -> str:
    """A run's outcome for people."""
    kept, right = result.selection.kept, result.selection.already_right
    lines = [
        str(result.folder),
        f"{kept} edits; {right} of {result.selection.considered} cases considered needed none, "
        "the backbone answers them as wanted",
    ]
    if result.status == "already complete":
        lines.append("already complete: nothing was left to do")
    else:
        lines.append(f"complete: {result.new} of {result.units} units run now")
    if result.failed:
        lines.append(f"{result.failed} edits failed; predictions.jsonl says why")
    return "\n".join(lines)
