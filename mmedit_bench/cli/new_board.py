"""`mmedit-bench new-board`: a repository of results, to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from mmedit_bench.cli.output import Output, speaks


@click.command("new-board")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--title", default="Knowledge editing board", show_default=True, help="As the pages show it.")
@speaks
def new_board(folder: Path, title: str, output: Output) -> None:
    """Write a repository of results: an empty board, and GitHub workflows that check and publish.

    Pull requests are read as data, by a job without secrets whose token may only read; the pages are
    built after a merge, from what was admitted. Nothing is overwritten.

    \b
    Examples:
      mmedit-bench new-board results
      mmedit-bench new-board results --title "Editors of small models"
    """
    from mmedit_bench.scaffold.board import write_board

    write_board(folder, title)
    written = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    output.result({"folder": str(folder), "files": written}, prose="\n".join(written))
    output.say(f"next: git init {folder}, and read {folder}/README.md")
