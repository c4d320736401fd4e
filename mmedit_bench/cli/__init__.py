"""The command line. Subcommands are imported when they are asked for, and their machinery when they run."""

from __future__ import annotations

import os

import click

from mmedit_bench import __version__
from mmedit_bench.cli.edge import end_streams, set_streams
from mmedit_bench.cli.lazy import LazyGroup

app = LazyGroup(
    name="mmedit-bench",
    members={
        "demo": "mmedit_bench.cli.demo:demo",
        "run": "mmedit_bench.cli.run:run",
        "score": "mmedit_bench.cli.score:score",
        "report": "mmedit_bench.cli.report:report",
        "compare": "mmedit_bench.cli.compare:compare",
        "site": "mmedit_bench.cli.site:site",
        "power": "mmedit_bench.cli.power:power",
        "new-editor": "mmedit_bench.cli.new_editor:new_editor",
        "submit": "mmedit_bench.cli.submit:submit",
        "new-board": "mmedit_bench.cli.new_board:new_board",
        "list": "mmedit_bench.cli.listing:listing",
        "prepare": "mmedit_bench.cli.prepare:prepare",
        "reproduce": "mmedit_bench.cli.reproduce:reproduce",
        "search": "mmedit_bench.cli.search:search",
        "verify": "mmedit_bench.cli.verify:verify",
        "data": "mmedit_bench.cli.data:data",
        "audit": "mmedit_bench.cli.audit:audit",
        "assemble": "mmedit_bench.cli.assemble:assemble",
        "train-backbone": "mmedit_bench.cli.train:train_backbone",
        "doctor": "mmedit_bench.cli.doctor:doctor",
    },
    help="""Measure what knowledge edits do to vision-language models.

    \b
    An edit changes what a model answers about a picture. This program applies
    edits, asks what became of the model, and scores whether the change took,
    generalised, and left everything else alone.

    \b
    Examples:
      mmedit-bench demo
      mmedit-bench run --suite picturebook-vqa --backbone blip2-opt-mini --editor ft
      mmedit-bench score runs/*
      mmedit-bench report runs/* --format markdown
    """,
    epilog="`mmedit-bench COMMAND --help` explains a command with examples.",
)
click.version_option(__version__, prog_name="mmedit-bench")(app)


def main() -> None:
    """The console script."""
    # Has to be set before torch is imported. Threads that wait by spinning make a machine whose
    # cores are shared several times slower, and gain next to nothing where they are not.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    set_streams()
    try:
        app(prog_name="mmedit-bench")
    finally:
        end_streams()
