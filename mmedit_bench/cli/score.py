"""`mmedit-bench score`: from recorded answers to numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.output import Output, speaks

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite
    from mmedit_bench.scoring.scores import RunScores

FOLDERS = click.argument(
    "runs",
    nargs=-1,
    required=True,
    metavar="RUN...",
    type=click.Path(path_type=Path, exists=True),
)
SECRET = click.option(
    "--secret",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="File of the secret that blind runs were drawn by.",
)


@click.command()
@FOLDERS
@SECRET
@click.option(
    "--more", is_flag=True, help="Also print what edits do beyond the headline, and what they cost."
)
@click.option(
    "--legacy", is_flag=True, help="Also score as published evaluations do; see the comparability guide."
)
@speaks
def score(runs: tuple[Path, ...], secret: Path | None, more: bool, legacy: bool, output: Output) -> None:
    """Score runs and write scores.json into each.

    RUN is a run's folder or a folder of runs. Needs neither backbone nor editor, only the suite's
    data, and the secret of a run that was made with one. A run that is not finished is scored as far
    as it goes and marked partial.

    \b
    Examples:
      mmedit-bench score runs/picturebook-vqa--blip2-opt-mini--ft--one-step--*
      mmedit-bench score runs --more
      mmedit-bench score runs --legacy
      mmedit-bench score runs --json
    """
    from mmedit_bench.rendering.retention import measured_text

    scored = score_all(folders(runs), legacy=legacy, secret=secret)
    prose = "\n".join(describe(folder, scores, more=more) for folder, scores in scored)
    # by fingerprint, as the folders' names end: an editor may have several runs
    named = [(f"{scores.spec.editor} {scores.spec.fingerprint[:12]}", scores) for _, scores in scored]
    if measured := measured_text(named):
        prose += f"\n\n{measured.rstrip()}"
    output.result([as_dict(folder, scores) for folder, scores in scored], prose=prose)
    beside = f" --secret {secret}" if secret else ""
    output.say(f"next: mmedit-bench report {' '.join(str(run) for run in runs)}{beside}")


def folders(runs: Iterable[Path]) -> list[Path]:
    """Run folders, also those inside a folder of runs, each once. Raises `BadRecord` if a folder has none.

    Among several, what stands beside runs is passed over, baselines and plain files: `runs/*` names them
    too.
    """
    from mmedit_bench.runs.baseline import FOLDER

    named = list(runs)
    wanted = [run for run in named if run.is_dir() and run.name != FOLDER] or named
    return list(dict.fromkeys(folder for run in wanted for folder in _expanded(run)))


def _expanded(path: Path) -> Iterator[Path]:
    from mmedit_bench.errors import BadRecord

    if (path / "manifest.json").exists():
        yield path
        return
    inner = sorted(found.parent for found in path.glob("*/manifest.json"))
    if not inner:
        raise BadRecord(
            f"{path} is no run and holds none: there is no manifest.json; make one with `mmedit-bench run`"
        )
    yield from inner


def score_all(
    runs: Iterable[Path], *, write: bool = True, legacy: bool = False, secret: Path | None = None
) -> list[tuple[Path, RunScores]]:
    """Score run folders, loading each suite once; with `write`, leave a scores.json in each."""
    from mmedit_bench.scoring.score import score_run, scored

    suites, compute = Suites(secret), score_run if write else scored
    return [(run, compute(run, suites.of(run), legacy=legacy)) for run in runs]


class Suites:
    """The suites that runs name, each loaded once; blind draws with the secret in a file."""

    def __init__(self, secret: Path | None = None) -> None:
        from mmedit_bench.datasets.blind import read_secret

        self._secret = read_secret(secret) if secret else None
        self._held: dict[tuple[str, str], Suite] = {}

    def of(self, run: Path) -> Suite:
        """The suite of a run's folder. Raises `BenchError` for a blind draw that the secret does not make."""
        from mmedit_bench.datasets.blind import suite_named
        from mmedit_bench.runs.folder import read_run

        spec = read_run(run).manifest.spec
        key = spec.suite, spec.suite_digest
        if key not in self._held:
            self._held[key] = suite_named(*key, self._secret)
        return self._held[key]


def as_dict(folder: Path, scores: RunScores) -> dict[str, Any]:
    """The overall numbers for scripts; scores.json holds all."""
    return {
        "folder": str(folder),
        "complete": scores.complete,
        "edits": scores.counts.done,
        "planned": scores.counts.planned,
        "failed": scores.counts.failed,
        "considered": scores.counts.considered,
        "no_op_rate": scores.counts.no_op_rate,
        "left_out": dict(scores.left_out),
        "scores": {
            name: {
                key: {"value": c.value, "low": c.low, "high": c.high, "n": c.n, "reason": c.reason}
                for key, c in family.overall.items()
            }
            for name, family in scores.families.items()
        },
        "measures": {
            measure: {
                moment: {name: asdict(cell) for name, cell in cells.items()}
                for moment, cells in moments.items()
            }
            for measure, moments in scores.measures.items()
        },
        "sequences": {name: asdict(own) for name, own in scores.sequences.items()},
        "conflict": {name: asdict(own) for name, own in scores.conflict.items()},
        "rollback": {name: asdict(own) for name, own in scores.rollback.items()},
        "sections": {
            name: {
                "title": section.title,
                "unit": section.unit,
                "good": section.good,
                "cells": {
                    key: {
                        "value": c.value, "low": c.low, "high": c.high, "n": c.n, "label": c.label,
                        "reason": c.reason,
                    }
                    for key, c in section.overall.items()
                },
            }
            for name, section in scores.sections.items()
        },
        "cost": asdict(scores.cost),
    }  # fmt: skip


def describe(folder: Path, scores: RunScores, *, more: bool = False) -> str:
    """For people: which run, the main numbers by generation and what its protocol adds; with `more` all.

    Families that repeat published evaluations follow, each with its name, where the run was scored with
    them.
    """
    from mmedit_bench.rendering import protocol_numbers

    cells = scores.family("generation").overall
    numbers = ", ".join(
        f"{title} {'n/a' if cells[key].value is None else format(cells[key].value, '.1f')}"
        for key, title in (
            ("reliability/main", "reliability"),
            ("generality", "generality"),
            ("locality", "locality"),
            ("mean", "mean"),
            ("hard", "hard"),
        )
    )
    done = (
        f"{scores.counts.done} edits"
        if scores.complete
        else f"partial, {scores.counts.done} of {scores.counts.planned} edits"
    )
    told = [f"generation, % ({done}): {numbers}", *protocol_numbers.lines(scores, "generation")]
    told += _legacy(scores)
    told += _further(scores) if more else ()
    return "\n  ".join([str(folder), *told])


def _legacy(scores: RunScores) -> Iterator[str]:
    from mmedit_bench.rendering.wording import amount
    from mmedit_bench.scoring.columns import HEADLINE, column
    from mmedit_bench.scoring.families import legacy_families

    for name, family in legacy_families().items():
        if name in scores.families:
            cells = scores.families[name].overall
            numbers = ", ".join(f"{column(key).short} {amount(cells[key])}" for key in HEADLINE if "/" in key)
            yield f"{name} ({family.title}): {numbers}"
        elif name in scores.left_out:
            yield f"{name} ({family.title}): {scores.left_out[name]}"


def _further(scores: RunScores) -> Iterator[str]:
    from mmedit_bench.rendering.sections import lines
    from mmedit_bench.rendering.wording import COSTS, costs

    counts = scores.counts
    if counts.no_op_rate is not None:
        yield (
            f"needed no edit: {counts.no_op_rate:.1f} % of {counts.considered} cases considered; "
            f"failed edits: {counts.failed}"
        )
    yield from lines(scores, "generation")
    told = zip(COSTS, costs(scores.cost), strict=True)
    yield "cost: " + ", ".join(f"{head} {value}" for head, value in told)
