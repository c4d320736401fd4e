"""`mmedit-bench demo`: everything that ships, once, small."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.report import terminal_width
from mmedit_bench.cli.run import SOME_FAILED
from mmedit_bench.cli.score import as_dict, score_all

if TYPE_CHECKING:
    from mmedit_bench.execution.order import Order
    from mmedit_bench.execution.pool import Outcome
    from mmedit_bench.scoring.scores import RunScores

SUITES = ("picturebook-vqa", "picturebook-caption")
BACKBONES = ("blip2-opt-mini", "minigpt4-mini")
QUICK = ("null", "copy-target", "ft", "ike", "t-patcher")
"""Shipped editors that need no training; they are run on every block."""
TRAINED: Mapping[str, Mapping[str, Any]] = {"mend": {"steps": 300}, "unike": {}}
"""Shipped editors that are trained first, with their options here.

A training takes most of the time, so they are run on the first suite only. UniKE is trained as it
ships; MEND for a tenth of its steps, which its rows say.
"""
LIMIT = 12


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=LIMIT,
    show_default=True,
    help="Edits per editor, suite, backbone.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-results/runs"),
    show_default=True,
    help="Folder of the runs.",
)
@click.option(
    "--site",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-results"),
    show_default=True,
    help="Folder of the page.",
)
@click.option(
    "--editor",
    "editors",
    multiple=True,
    help="Editor to run; repeatable; default: the quick ones that ship and all of other packages.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Runs at once; default: the cores, at most 4.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@speaks
def demo(
    limit: int,
    out: Path,
    site: Path,
    editors: tuple[str, ...],
    workers: int | None,
    seed: int,
    output: Output,
) -> None:
    """Run editors on both mini backbones and both suites, and make a page of it.

    Takes about two minutes on two cores with the default editors; `reproduce table1` runs all of
    them. UniKE and MEND are trained first, and run on picturebook-vqa only; MEND is trained for a
    tenth of its steps. Editors named with --editor are run everywhere and as they ship. Started
    again it only does what is missing. Exits with status 3 if an editor failed on something; the
    rest is shown all the same.

    \b
    Examples:
      mmedit-bench demo
      mmedit-bench demo --limit 5 --out /tmp/demo/runs --site /tmp/demo
      mmedit-bench demo --editor null --editor t-patcher --editor unike
    """
    started = time.monotonic()
    outcomes = _run_all(planned(editors, limit, seed), out, workers, output)
    problems = [problem for outcome in outcomes if (problem := _problem(outcome))]
    scored = score_all([outcome.folder for outcome in outcomes if outcome.folder])
    table = _table([scores for _, scores in scored])
    page = _page(opening_first(scored), site, output)
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


def planned(editors: Sequence[str], limit: int, seed: int) -> list[Order]:
    """All runs, block by block: of the editors named, or else of those that are shown by default."""
    from mmedit_bench.execution.order import Order

    return [
        Order(
            suite=suite, backbone=backbone, editor=editor, limit=limit, seed=seed,
            options={} if editors else TRAINED.get(editor, {}),
        )
        for backbone in BACKBONES
        for suite in SUITES
        for editor in editors or _default_editors(suite)
    ]  # fmt: skip


def _default_editors(suite: str) -> tuple[str, ...]:
    """Those of other packages, and the shipped ones that there is time for."""
    from mmedit_bench.errors import BenchError
    from mmedit_bench.plugins.registry import EDITORS

    def foreign(name: str) -> bool:
        try:
            return EDITORS.entry(name).distribution != "mmedit-bench"
        except BenchError:
            return True  # whoever registered it will be told what is wrong

    others = tuple(n for n in EDITORS.names() if n not in (*QUICK, *TRAINED) and foreign(n))
    # what takes longest early, so that no process is left alone with it, but after a baseline is made
    return (*QUICK[:1], *(TRAINED if suite == SUITES[0] else ()), *QUICK[1:], *others)


def _run_all(orders: Sequence[Order], out: Path, workers: int | None, output: Output) -> list[Outcome]:
    """What became of all runs. Raises `BenchError` if none could be carried out."""
    from mmedit_bench.errors import BenchError
    from mmedit_bench.execution.engines.local import LocalEngine
    from mmedit_bench.execution.pool import carry_out, default_workers

    with output.blocks([_block(order) for order in orders]) as ended:

        def told(outcome: Outcome) -> None:
            what = "failed" if outcome.folder is None else f"{outcome.seconds:.0f} s"
            ended(_block(outcome.order), f"{outcome.order.editor} {what}")

        outcomes = carry_out(orders, out, engine=LocalEngine(workers or default_workers()), told=told)
    if not any(outcome.folder for outcome in outcomes):
        raise BenchError("no run could be carried out: " + "; ".join(filter(None, map(_problem, outcomes))))
    return outcomes


def _block(order: Order) -> str:
    return f"{order.suite} on {order.backbone}"


def _problem(outcome: Outcome) -> str | None:
    what = f"{outcome.order.editor} on {outcome.order.backbone}, {outcome.order.suite}"
    if outcome.error:
        return f"{what}: {outcome.error}"
    return f"{what}: {outcome.failed} edits, see {outcome.folder}" if outcome.failed else None


def _table(scores: list[RunScores]) -> str:
    from mmedit_bench.rendering.report import render

    return render(scores, width=terminal_width())


def opening_first(scored: Sequence[tuple[Path, RunScores]]) -> list[Path]:
    """The folders, those of the block first on which most methods were run and differ most.

    The page opens on the block of the first folder. Among blocks with equally many methods it is the
    one with the widest range of means. Controls do not count: they are far apart everywhere.
    """
    means: dict[tuple[str, str], list[float]] = {}
    for _, scores in scored:
        own = means.setdefault((scores.spec.suite, scores.spec.backbone), [])
        mean = scores.family("generation").overall["mean"].value
        if mean is not None and not scores.control:
            own.append(mean)
    told = {block: (len(own), max(own) - min(own) if own else 0.0) for block, own in means.items()}
    opening = max(told, key=lambda block: told[block])
    return [
        folder
        for folder, _ in sorted(scored, key=lambda one: (one[1].spec.suite, one[1].spec.backbone) != opening)
    ]


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
