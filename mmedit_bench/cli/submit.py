"""`mmedit-bench submit`: from an editor's package to a submission."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.executors import executes
from mmedit_bench.cli.loading import loads
from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.run import SOME_FAILED, parsed, run
from mmedit_bench.errors import BenchError

if TYPE_CHECKING:
    from mmedit_bench.execution.engine import Engine
    from mmedit_bench.execution.order import Order
    from mmedit_bench.harness.run import RunResult
    from mmedit_bench.submissions.package import EditorPackage
    from mmedit_bench.submitting.submit import Desk, Made


def as_in_run(*names: str) -> Callable[[click.Command], click.Command]:
    """Give a command options of `run`, by the names they are handed over as."""

    def decorate(command: click.Command) -> click.Command:
        command.params += [param for param in run.params if param.name in names]
        return command

    return decorate


@as_in_run(
    "protocol", "limit", "seed", "device", "dtype", "batch_size", "threads", "settings", "protocol_set",
    "isolate", "sandbox", "readable", "edit_timeout", "ready_timeout", "memory_limit", "processes",
)  # fmt: skip
@click.command()
@click.argument("what", metavar="PATH_OR_PACKAGE")
@click.option("--suite", "suites", multiple=True, required=True, help="What is edited and asked; repeatable.")
@click.option(
    "--backbone", "backbones", multiple=True, required=True, help="Which model is edited; repeatable."
)
@click.option("--editor", help="Which editor, where the package registers several.")
@click.option(
    "--track",
    type=click.Choice(("edits", "code", "self-reported")),
    help="Default: what submission.yaml says.",
)
@click.option(
    "--form",
    type=click.Path(path_type=Path, dir_okay=False),
    help="submission.yaml; default: the one in the package's folder.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("submissions"),
    show_default=True,
    help="Folder that the submission's own folder is made in.",
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the runs; default: ID.work/runs beside the submission.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, make one edit for each run, write nothing.")
@executes("Workers that share a run's units; not in track edits.", default=1)
@loads
@speaks
def submit(
    output: Output,
    what: str,
    suites: tuple[str, ...],
    backbones: tuple[str, ...],
    settings: tuple[str, ...],
    protocol_set: tuple[str, ...],
    editor: str | None,
    track: str | None,
    form: Path | None,
    out: Path,
    runs: Path | None,
    dry_run: bool,
    engine: Engine,
    isolate: bool,
    sandbox: bool | None,
    readable: tuple[Path, ...],
    edit_timeout: float | None,
    ready_timeout: float | None,
    memory_limit: int | None,
    processes: int | None,
    **order: Any,
) -> None:
    """Run an editor on suites and backbones and put together what is handed in.

    PATH_OR_PACKAGE is the folder of an editor's package, such as `new-editor` writes, which need not be
    installed; or the name of an installed distribution or editor, with --form. The runs are those of
    `run`, and the same command again goes on where it was stopped. The submission is written at the
    end, whole or not at all, as the folder ID of submission.yaml below --out.

    \b
    Tracks:
      edits          its edits as data; whoever verifies applies them and asks
      code           the editor's source; it is run in a process of its own, in a sandbox. With
                     --unsafe-no-sandbox it is run without, and the submission says so
      self-reported  answers only; shown apart

    Exit status: 0 done; 2 something to mend, see the message; 3 done, but the editor failed on
    some cases; 130 interrupted.

    \b
    Examples:
      mmedit-bench submit demo --suite picturebook-vqa --backbone blip2-opt-mini --limit 50
      mmedit-bench submit demo --suite picturebook-vqa --suite picturebook-caption \\
          --backbone blip2-opt-mini --backbone minigpt4-mini --dry-run
      mmedit-bench submit ft --form forms/ft.yaml --track self-reported --suite picturebook-vqa \\
          --backbone blip2-opt-mini
    """
    from mmedit_bench.execution.order import Order
    from mmedit_bench.execution.pool import look_first
    from mmedit_bench.submissions.package import visible
    from mmedit_bench.submitting.means import Means
    from mmedit_bench.submitting.submit import Desk

    package, place = found_package(what, editor, form, out)
    means = Means(
        engine=None if engine.here and engine.workers == 1 else engine,
        isolate=isolate,
        sandbox=sandbox,
        edit_timeout=edit_timeout,
        ready_timeout=ready_timeout,
        memory_limit=memory_limit,
        processes=processes,
        readable=readable,
    )
    order["options"] = parsed(settings)
    order["protocol_options"] = parsed(protocol_set, "--protocol-set")
    orders = [
        Order(suite=suite, backbone=backbone, editor=package.editor, **order)
        for suite in dict.fromkeys(suites)
        for backbone in dict.fromkeys(backbones)
    ]
    desk = Desk(package, place, orders, out, track=track, runs=runs, means=means)
    for name in package.left_out:
        output.note(f"left out, no source: {name}")
    with ExitStack() as during:
        # a trial leaves nothing behind
        aside = Path(during.enter_context(TemporaryDirectory())) if dry_run else desk.work / "installed"
        during.enter_context(visible(package, aside))
        look_first(orders[0], apart=means.isolation(desk.submission.track) is not None)
        advance = during.enter_context(output.progress(package.editor))
        if dry_run:
            tried = desk.trial(advance)
        else:
            made = desk.make(advance)
    if dry_run:
        output.result(trial_as_dict(desk, tried), prose=describe_trial(desk, tried))
        failed = any(result is not None and result.failed for _, result in tried)
    else:
        output.result(as_dict(made), prose=describe(made))
        output.say(f"next: mmedit-bench verify {made.folder}")
        failed = any(result.failed for result in made.results)
    if failed:
        raise SystemExit(SOME_FAILED)


def found_package(what: str, editor: str | None, form: Path | None, out: Path) -> tuple[EditorPackage, Path]:
    """The package that is meant, and the draft of its submission."""
    from mmedit_bench.submissions.form import FILE
    from mmedit_bench.submissions.package import in_folder, installed

    folder = Path(what)
    if folder.is_dir():
        return in_folder(folder, editor, (out,)), form or folder / FILE
    if "/" in what:
        raise BenchError(f"{what}: there is no such folder; check the path")
    if form is None:
        raise BenchError(f"{what!r} is no folder, and an installed editor needs --form with its {FILE}")
    return installed(what, editor), form


def as_dict(made: Made) -> dict[str, Any]:
    """A submission for scripts."""
    from mmedit_bench.cli.run import as_dict as run_as_dict

    return {
        "folder": str(made.folder),
        "new": made.new,
        "id": made.submission.id,
        "track": made.submission.track,
        "files": made.files,
        "bytes": made.bytes,
        "runs": [run_as_dict(result) for result in made.results],
    }


def describe(made: Made) -> str:
    """A submission for people."""
    lines = [str(made.folder)]
    for result in made.results:
        failed = f", {result.failed} failed" if result.failed else ""
        lines.append(f"  {result.folder.name}: {result.selection.kept} edits{failed}")
    size = f"{made.files} files, {made.bytes / 1e6:.1f} MB"
    lines.append(
        f"track {made.submission.track}; {size}; {'written' if made.new else 'already there, unchanged'}"
    )
    return "\n".join(lines)


def trial_as_dict(desk: Desk, tried: Sequence[tuple[Order, RunResult | None]]) -> dict[str, Any]:
    """A trial for scripts."""
    return {
        "folder": str(desk.folder),
        "track": desk.submission.track,
        "package": desk.ships_package,
        "runs": [
            {
                "suite": order.suite,
                "backbone": order.backbone,
                "protocol": order.protocol,
                "trained": result is not None,
                "failed": result.failed if result else None,
            }
            for order, result in tried
        ],
    }


def describe_trial(desk: Desk, tried: Sequence[tuple[Order, RunResult | None]]) -> str:
    """What would be written, for people."""
    from mmedit_bench.submissions.cards import card_of

    lines = [f"nothing is written; it would be {desk.folder}/"]
    card = ["card.md"] if card_of(desk.package) is not None else []
    lines += [f"  {name}" for name in ("submission.yaml", "digests.json", "environment.txt", *card)]
    for order, result in tried:
        word = "one edit made"
        if result is None:
            word = "not tried: its editor has to be trained first, which the run does"
        elif result.failed:
            word = "the edit FAILED"
        limit = "all edits that are needed" if order.limit is None else f"at most {order.limit} edits"
        names = "--".join((order.suite, order.backbone, order.editor, order.protocol))
        lines.append(f"  runs/{names}--.../: {limit} ({word})")
    if desk.submission.track == "edits":
        lines.append("  edits/: a file for each of them")
    if desk.ships_package:
        lines.append(f"  package/: {len(desk.package.sources)} source files")
    lines.append(
        f"track {desk.submission.track}, as {desk.submission.name!r}; nothing is wrong with the form"
    )
    return "\n".join(lines)
