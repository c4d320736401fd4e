"""`mmedit-bench demo`: everything that ships, once, small."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.report import terminal_width
from mmedit_bench.cli.run import SOME_FAILED
from mmedit_bench.cli.score import as_dict, score_all

if TYPE_CHECKING:
    from mmedit_bench.scoring.scores import RunScores

SUITES = ("picturebook-vqa", "picturebook-caption")
BACKBONES = ("blip2-opt-mini", "minigpt4-mini")
QUICK = ("null", "copy-target", "ft", "ike")
"""Shipped editors that need no training and little time."""


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=25,
    show_default=True,
    help="Edits per editor, suite, backbone.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Folder of the runs.",
)
@click.option(
    "--site",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("site"),
    show_default=True,
    help="Folder of the page.",
)
@click.option(
    "--editor",
    "editors",
    multiple=True,
    help="Editor to run; repeatable; default: the quick ones that ship and all of other packages.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@speaks
def demo(limit: int, out: Path, site: Path, editors: tuple[str, ...], seed: int, output: Output) -> None:
    """Run editors on both mini backbones and both suites, and make a page of it.

    Takes a few minutes on two cores with the default editors; `reproduce table1` runs all of them.
    Started again it only does what is missing. Exits with status
    3 if an editor failed on something; the rest is shown all the same.

    \b
    Examples:
      mmedit-bench demo
      mmedit-bench demo --limit 5 --out /tmp/demo --site /tmp/site
      mmedit-bench demo --editor null --editor t-patcher --editor unike
    """
    started = time.monotonic()
    runs, problems = _run_all(editors or _default_editors(), limit, out, seed, output)
    scored = score_all(runs)
    table = _table([scores for _, scores in scored])
    page = _page(runs, site, output)
    seconds = time.monotonic() - started
    for problem in problems:
        output.note(f"failed: {problem}")
    where = f"page: {page.resolve()}" if page else "no page: no installed distribution builds one"
    facts = {
        "runs": [as_dict(folder, scores) for folder, scores in scored],
        "page": str(page.resolve()) if page else None,
        "problems": problems,
        "seconds": round(seconds, 1),
    }
    output.result(facts, prose=f"{table}\nruns: {out.resolve()}\n{where}\n{seconds:.0f} seconds")
    if problems:
        raise SystemExit(SOME_FAILED)


def _default_editors() -> tuple[str, ...]:
    from mmedit_bench.errors import BenchError
    from mmedit_bench.plugins.registry import EDITORS

    def shown(name: str) -> bool:
        try:
            return name in QUICK or EDITORS.entry(name).distribution != "mmedit-bench"
        except BenchError:
            return True  # whoever registered it will be told what is wrong

    return tuple(name for name in EDITORS.names() if shown(name))


def _run_all(
    editors: tuple[str, ...], limit: int, out: Path, seed: int, output: Output
) -> tuple[list[Path], list[str]]:
    """Run folders, and what went wrong. One editor's failure does not stop the others."""
    from mmedit_bench.errors import BenchError
    from mmedit_bench.execution.local import Order, Workshop

    workshop, runs, problems = Workshop(), [], []
    plan = [(b, s, e) for b in BACKBONES for s in SUITES for e in editors]
    for number, (backbone, suite, editor) in enumerate(plan, 1):
        order = Order(suite=suite, backbone=backbone, editor=editor, limit=limit, seed=seed)
        title = f"[{number}/{len(plan)}] {suite} {backbone} {editor}"
        try:
            with output.progress(title) as advance:
                result = workshop.run(order, out, progress=advance)
        except Exception as error:  # an editor's code may raise anything; the others go on
            if not isinstance(error, BenchError):
                output.note(traceback.format_exc())
            problems.append(f"{editor} on {backbone}, {suite}: {type(error).__name__}: {error}")
            continue
        output.note(f"{title}: {result.status}")
        runs.append(result.folder)
        if result.failed:
            problems.append(f"{editor} on {backbone}, {suite}: {result.failed} edits, see {result.folder}")
    if not runs:
        raise BenchError("no run could be carried out: " + "; ".join(problems))
    return runs, problems


def _table(scores: list[RunScores]) -> str:
    from mmedit_bench.rendering.report import render

    return render(scores, width=terminal_width())


def _page(runs: list[Path], site: Path, output: Output) -> Path | None:
    """Have the page written by whoever is registered for it; None if nobody is."""
    from mmedit_bench.plugins.registry import Registry

    builders = Registry("mmedit_bench.site", "page builder")
    if not builders.names():
        return None
    write: Any = builders.load(builders.names()[0])
    output.note("writing the page")
    written: Path = write(runs, site)
    return written
