"""`mmedit-bench site`: a board's folder becomes static pages, runs become entries of it and come back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.score import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = "mmedit_bench.board"
"""Entry points of whoever builds boards: the benchmark itself never imports the leaderboard."""

BOARD = click.option(
    "--board",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("board"),
    show_default=True,
    help="The board's folder.",
)
BUILT = click.option(
    "--site",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("site"),
    show_default=True,
    help="A site that was built.",
)


def board_part(name: str) -> Any:
    """What is registered for boards under this name. Raises `BenchError` if nobody offers it."""
    from mmedit_bench.errors import BenchError
    from mmedit_bench.plugins.registry import Registry

    parts = Registry(GROUP, "part of a board")
    if name not in parts.names():
        raise BenchError("no installed distribution builds boards; install mmedit-bench with its leaderboard")
    return parts.load(name)


@click.group()
def site() -> None:
    """Build, look at and publish a board's pages; put own runs on it.

    \b
    Examples:
      mmedit-bench site admit runs/*--ft--* --board board --as ft
      mmedit-bench site build --board board --out site
      mmedit-bench site serve
    """


@site.command()
@BOARD
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("site"), show_default=True,
    help="Folder of the site; one that was built before is replaced.",
)  # fmt: skip
@click.option("--release", metavar="NAME", help="Freeze the numbers as this release first; needs --date.")
@click.option("--date", metavar="YYYY-MM-DD", help="The day of the release.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder that `reproduce` wrote to, for pages of the paper's tables and figures.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes that read runs; default: the cores.")
@speaks
def build(
    board: Path,
    out: Path,
    release: str | None,
    date: str | None,
    results: Path | None,
    workers: int | None,
    output: Output,
) -> None:
    """Write the pages of a board: static files that open from a folder or from any address.

    Needs neither backbone nor editor. The same board gives the same bytes. A release is written into
    the board's folder once and never again; the site has a folder for each, with its own pages.

    \b
    Examples:
      mmedit-bench site build --board board --out site
      mmedit-bench site build --board board --results docs/results/embedded
      mmedit-bench site build --board board --release 2026.1 --date 2026-11-30
    """
    if (release is None) != (date is None):
        raise click.UsageError("--release and --date go together")
    write = board_part("build")
    frozen = None if release is None or date is None else (release, date)
    with output.progress("site") as advance:
        made: Path = write(
            board, out, release=frozen, results=results, workers=workers or os.cpu_count() or 1, told=advance
        )
    index = made / "index.html"
    output.result({"site": str(made), "index": str(index.resolve())}, prose=str(index))
    output.say(f"next: mmedit-bench site serve --site {made}")


@site.command()
@BUILT
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one."
)
@speaks
def serve(site: Path, port: int, output: Output) -> None:
    """Show a built site to this machine's browsers until Ctrl-C; nobody else can reach it.

    \b
    Examples:
      mmedit-bench site serve
      mmedit-bench site serve --site site --port 8080
    """
    from mmedit_bench.cli.serving import server

    with server(site, port) as running:
        where = f"http://127.0.0.1:{running.server_port}/"
        output.result({"address": where}, prose=where)
        running.serve_forever()


@site.command()
@BUILT
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to copy it to, such as docs."
)
@click.option("--branch", metavar="NAME", help="Branch to commit it to, such as gh-pages.")
@click.option(
    "--repository",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Repository of the branch; default: the one here.",
)
@click.option("--message", default="Publish the board", show_default=True, help="Of the commit.")
@speaks
def publish(
    site: Path, out: Path | None, branch: str | None, repository: Path, message: str, output: Output
) -> None:
    """Put a built site where GitHub Pages serves it: a folder, or a branch that holds nothing else.

    The branch is made or moved forward without a look at the work tree; push it yourself.

    \b
    Examples:
      mmedit-bench site publish --out docs
      mmedit-bench site publish --branch gh-pages && git push origin gh-pages
    """
    if (out is None) == (branch is None):
        raise click.UsageError("name either --out or --branch")
    done = (
        board_part("publish-folder")(site, out)
        if branch is None
        else board_part("publish-branch")(site, branch, repository, message)
    )
    facts = {"place": done.place, "commit": done.commit, "changed": done.changed}
    what = done.place if done.commit is None else f"{done.place} {done.commit[:12]}"
    output.result(facts, prose=what if done.changed else f"{what}, unchanged")
    if branch is not None and done.changed:
        output.say(f"next: git push origin {branch}")


@site.command("admit")
@FOLDERS
@BOARD
@click.option(
    "--as", "id", metavar="ID",
    help="Id of the entry: a-z, 0-9 and hyphens; default: an entry for each editor, by its name.",
)  # fmt: skip
@click.option(
    "--submission", "form", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A submission.yaml; without it the form follows from the runs.",
)  # fmt: skip
@click.option("--name", help="For display; default: the editor's.")
@click.option("--family", help="Such as memory; default: what the card says.")
@click.option("--deviation", "deviations", multiple=True, help="From its paper; repeatable.")
@click.option(
    "--card", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The editor's card; default: the one beside its module.",
)  # fmt: skip
@click.option("--date", metavar="YYYY-MM-DD", help="The day; default: today.")
@click.option(
    "--secret", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File of the secret that blind runs were drawn by; the board is told its commitment.",
)  # fmt: skip
@click.option("--replace", is_flag=True, help="Put it in the place of the entry of this id.")
@speaks
def admit_runs(
    runs: tuple[Path, ...], board: Path, id: str | None, form: Path | None, name: str | None,
    family: str | None, deviations: tuple[str, ...], card: Path | None, date: str | None, secret: Path | None,
    replace: bool, output: Output,
) -> None:  # fmt: skip
    """Put the maintainers' own runs on a board, as references.

    RUN is a run's folder or a folder of runs. They are scored anew, and marked as reference runs: what
    strangers submit comes in by `verify --admit`. A board that is not there is made. Without --as an entry
    that is there with the same runs stays as it is. Nothing is admitted before all that is named can be.

    \b
    Examples:
      mmedit-bench site admit runs/*--ft--* --board board --as ft --family fine-tuning
      mmedit-bench site admit runs/*--null--* --as null --replace
      mmedit-bench site admit runs --replace
    """
    from collections import defaultdict
    from datetime import UTC, datetime

    from mmedit_bench.cli.score import folders
    from mmedit_bench.datasets.blind import read_secret
    from mmedit_bench.runs.folder import read_run
    from mmedit_bench.submissions.board_runs import still_to_admit

    admit: Callable[..., Path] = board_part("admit")
    given: dict[str, Any] = {}
    given |= {} if name is None else {"name": name}
    given |= {} if family is None else {"family": family}
    given |= {"deviations": list(deviations)} if deviations else {}
    day = date or datetime.now(UTC).date().isoformat()
    of_one = {
        "--name": name, "--submission": form, "--card": card, "--family": family,
        "--deviation": deviations,
    }  # fmt: skip
    if id is None and (said := [option for option, value in of_one.items() if value]):
        raise click.UsageError(f"{said[0]} is of one entry; name that with --as")
    drawn_by = None if secret is None else read_secret(secret)
    by_entry: dict[str, list[Path]] = defaultdict(list)
    for folder in folders(runs):
        by_entry[id or read_run(folder).manifest.spec.editor].append(folder)
    waiting = sorted(by_entry) if id or replace else still_to_admit(board, by_entry)
    if waiting:
        first, *others = waiting
        with output.progress("admit") as advance:
            admit(
                by_entry[first], board, first, date=day, form=form, given=given, card=card, replace=replace,
                secret=drawn_by, beside={entry: by_entry[entry] for entry in others},
                told=lambda done, total: advance("entries", done, total),
            )  # fmt: skip
    made = [str(board / "entries" / entry) for entry in waiting]
    there = [str(board / "entries" / entry) for entry in sorted(by_entry) if entry not in waiting]
    prose = "\n".join([*made, *(f"{entry}, there already with these runs" for entry in there)])
    output.result({"entries": made, "there": there}, prose=prose)
    output.say(f"next: mmedit-bench site build --board {board}")


@site.command("runs")
@BOARD
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True,
    help="Folder of runs; what is there already stays.",
)  # fmt: skip
@click.option("--entry", "entries", multiple=True, metavar="ID", help="Only of this entry; repeatable.")
@click.option("--blind", is_flag=True, help="Also runs whose probes a secret drew, which are read with it.")
@speaks
def lay_out_runs(board: Path, out: Path, entries: tuple[str, ...], blind: bool, output: Output) -> None:
    """Lay out a board's runs as `run` left them: every answer, to score, compare and table anew.

    Needs neither backbone nor editor; nothing is asked again. Self-reported runs come only where --entry
    names them: their answers are what somebody says. Blind runs come with --blind, and whatever reads
    them takes --secret FILE.

    \b
    Examples:
      mmedit-bench site runs --board board --out runs
      mmedit-bench site runs --board board --entry unike && mmedit-bench report runs
      mmedit-bench site runs --board docs/results/board --out published
      mmedit-bench reproduce table1 --runs published --finished
    """
    from mmedit_bench.submissions.board_folder import read_board
    from mmedit_bench.submissions.board_runs import blindly_asked, lay_out, self_reported

    found = read_board(board)
    with output.progress("runs") as advance:
        made = lay_out(
            found, out, entries, blind=blind, told=lambda done, total: advance("runs", done, total)
        )
    output.result({"runs": list(map(str, made))}, prose="\n".join(map(str, made)))
    if not entries and (names := self_reported(found)):
        output.say(f"left out, being self-reported: {', '.join(names)}; --entry ID lays them out")
    secret = blindly_asked(found, entries)
    if secret and not blind:
        output.say(f"left out, being blind: runs of {', '.join(secret)}; --blind lays them out")
    output.say(f"next: mmedit-bench report {out}{' --secret FILE' if secret and blind else ''}")
