"""`mmedit-bench compare`: runs on the same edits, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.report import FORMATS, FamilyName
from mmedit_bench.cli.score import FOLDERS, SECRET, Suites, folders

if TYPE_CHECKING:
    from mmedit_bench.scoring.checking import Checked


@click.command()
@FOLDERS
@SECRET
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True)
@click.option(
    "--family", type=FamilyName(), default="generation", show_default=True, help="What is measured."
)
@click.option(
    "--column", "columns", multiple=True, metavar="NAME", help="Only this column, such as mean; repeatable."
)
@click.option(
    "--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True,
    help="Chance of any false claim in a column.",
)  # fmt: skip
@click.option(
    "--with", "board", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="BOARD",
    help="Put one run beside the rows of its block on this board instead.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead.")
@speaks
def compare(
    runs: tuple[Path, ...],
    secret: Path | None,
    form: str,
    family: str,
    columns: tuple[str, ...],
    alpha: float,
    board: Path | None,
    out: Path | None,
    output: Output,
) -> None:
    """Compare runs that made the same edits: differences, tests, and the places that they leave.

    RUN is a run's folder or a folder of runs; at least two runs of one suite, backbone, protocol and
    limit. Differences are taken edit by edit (sequence by sequence where edits are made on top of
    each other). p comes from a permutation test, and is corrected over all pairs of a column. With
    --with BOARD a single run stands beside the published rows of its block.

    \b
    Examples:
      mmedit-bench compare runs/*--ft--* runs/*--unike--*
      mmedit-bench compare runs --column mean --format markdown
      mmedit-bench compare runs --format csv --out pairs.csv
      mmedit-bench compare runs/*--mine--one-step--* --with board
    """
    if board is not None:
        from mmedit_bench.cli.beside import show

        context = click.get_current_context()
        if context.get_parameter_source("alpha") is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(
                "--alpha does not go with --with: a board's ranks and intervals are at 0.05"
            )
        show(folders(runs), board, secret, form, family, columns, out, output)
        return
    from mmedit_bench.rendering.comparison import as_rows, render
    from mmedit_bench.runs.files import make_folder, write_whole
    from mmedit_bench.scoring.columns import SHOWN
    from mmedit_bench.scoring.comparison import compared

    found = compared(checked_all(folders(runs), secret), family, columns or SHOWN, alpha=alpha)
    text = render(found, form)
    if out:
        make_folder(out.parent)
        write_whole(out, text.encode())
        output.result({"written": str(out)}, prose=str(out))
        return
    values = {
        "family": family,
        "alpha": alpha,
        "edits": found.edits,
        "clusters": found.clusters,
        "pairs": list(as_rows(found)),
        "places": {
            name: {run: {"best": rank.best, "worst": rank.worst} for run, rank in ranks.items()}
            for name, ranks in found.ranks.items()
        },
        "means": {
            name: {run: {"value": e.value, "low": e.low, "high": e.high} for run, e in own.items()}
            for name, own in found.values.items()
        },
    }
    output.result(values, prose=text.rstrip("\n"))


def checked_all(found: Sequence[Path], secret: Path | None = None) -> dict[str, Checked]:
    """Runs, read and checked, by names that tell them apart: the editor's, with its options if need be.

    Raises `BenchError` for two folders of one run: it would stand for two, or one of them be left out.
    """
    from mmedit_bench.errors import BenchError
    from mmedit_bench.runs.spec import RunSpec
    from mmedit_bench.scoring.score import checked_run

    suites = Suites(secret)
    runs = [checked_run(folder, suites.of(folder)) for folder in found]

    def spelt(spec: RunSpec, much: int) -> str:
        options = [f"{name}={value}" for name, value in sorted(spec.editor_options.items())]
        parts = [spec.editor, *(options if much else []), *([spec.fingerprint[:8]] if much > 1 else [])]
        return " ".join(parts)

    specs = [run.state.manifest.spec for run in runs]
    for much in range(3):
        names = [spelt(spec, much) for spec in specs]
        if len(set(names)) == len(names):
            break
    for number, name in enumerate(names):
        if (first := names.index(name)) < number:
            both = f"{found[first]} and {found[number]}"
            raise BenchError(f"{both} hold the same run, {name}; name one of them")
    return dict(zip(names, runs, strict=True))
