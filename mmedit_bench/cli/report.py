"""`mmedit-bench report`: runs as tables."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from mmedit_bench.cli.idle import refuse_idle
from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.score import FOLDERS, SECRET, as_dict, folders, score_all

FORMATS = ("terminal", "markdown", "latex", "csv")
SORTS = ("all", "correction", "counterfactual")


class FamilyName(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A scorer family that an installed metric belongs to, looked up when it is needed."""

    name = "family"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The choices."""
        return f"[{'|'.join(self._known())}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`value`, if there is such a family."""
        if value not in self._known():
            self.fail(f"{value!r} is not one of {', '.join(self._known())}.", param, ctx)
        return value

    @staticmethod
    def _known() -> tuple[str, ...]:
        from mmedit_bench.scoring.families import families, legacy_families

        return (*families(), *legacy_families())


@click.command()
@FOLDERS
@SECRET
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True)
@click.option(
    "--family", type=FamilyName(), default="generation", show_default=True, help="What is measured."
)
@click.option("--sort", type=click.Choice(SORTS), default="all", show_default=True, help="Which edits count.")
@click.option(
    "--section", metavar="NAME", help="Show this instead, such as harm or spread; `score --more` has all."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead.")
@speaks
def report(
    runs: tuple[Path, ...],
    secret: Path | None,
    form: str,
    family: str,
    sort: str,
    section: str | None,
    out: Path | None,
    output: Output,
) -> None:
    """Print tables of runs: one for each suite, backbone, protocol and split.

    RUN is a run's folder or a folder of runs. The numbers are computed from the recorded answers, and
    nothing is written into the folders. A table shows one family of measurements; numbers of
    different measurements never share a column.

    \b
    Examples:
      mmedit-bench report runs
      mmedit-bench report runs --family teacher_forced_token --format latex --out table.tex
      mmedit-bench report runs --sort correction --format markdown
      mmedit-bench report runs --section harm
      mmedit-bench report runs --family legacy_trainer_exact
    """
    if form == "csv":
        refuse_idle("with --format csv, which holds all of them", "section", "sort")
    from mmedit_bench.rendering.report import render
    from mmedit_bench.runs.files import make_folder, write_whole
    from mmedit_bench.scoring.families import legacy_families

    legacy = not {family, (section or "").rpartition("/")[2]}.isdisjoint(legacy_families())
    scored = score_all(folders(runs), write=False, legacy=legacy, secret=secret)
    on_screen = form == "terminal" and out is None and not output.json
    text = render(
        [scores for _, scores in scored],
        family=family,
        form=form,
        sort=sort,
        section=section,
        width=terminal_width() if on_screen else 100,
        color=on_screen and sys.stdout.isatty(),
    )
    if out:
        make_folder(out.parent)
        write_whole(out, text.encode())
        output.result({"written": str(out)}, prose=str(out))
    else:
        rows = [as_dict(folder, scores) for folder, scores in scored]
        values = {"family": family, "sort": sort, "runs": rows, "text": text}
        output.result(values, prose=text.rstrip("\n"), styled=on_screen)


def terminal_width() -> int:
    """Columns of the terminal, within what a table can be read at; 100 where there is none."""
    return min(max(shutil.get_terminal_size((100, 24)).columns, 80), 160)
