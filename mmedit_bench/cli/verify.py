"""`mmedit-bench verify`: what is wrong with a submission, and what it is worth."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmedit_bench.cli.idle import refuse_idle
from mmedit_bench.cli.loading import loads_each
from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mmedit_bench.submissions.problems import Problem
    from mmedit_bench.submissions.verified import Verification

REFUSED = 1
"""Exit status for a submission with problems."""
SHOWN = 10
"""Problems of one code that people are shown; --json has all."""


@click.command()
@click.argument("submission", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--admit", type=click.Path(path_type=Path, file_okay=False), metavar="BOARD",
    help="Put it on this board if all is well.",
)  # fmt: skip
@click.option("--replace", is_flag=True, help="With --admit: in the place of the entry of the same id.")
@click.option(
    "--secret", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Ask all edits by blind probes too, drawn by this file's secret (openssl rand -hex 16).",
)  # fmt: skip
@click.option(
    "--sample", type=click.IntRange(min=1), default=20, show_default=True,
    help="Edits of each run that are asked again.",
)  # fmt: skip
@click.option("--seed", type=int, help="Seed of the sample; default: drawn so that nobody can foretell it.")
@click.option("--no-rerun", is_flag=True, help="Ask no edit again: check, and compute scores.")
@click.option(
    "--baselines", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Your own folder of baselines, to save the time of making them anew.",
)  # fmt: skip
@click.option(
    "--edit-timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="Track code: longest time for one edit; default: 600.",
)  # fmt: skip
@click.option(
    "--unsafe-no-sandbox", is_flag=True,
    help="Track code: run the editor without a sandbox; the verification says so.",
)  # fmt: skip
@loads_each
@speaks
def verify(
    submission: Path,
    admit: Path | None,
    replace: bool,
    secret: Path | None,
    sample: int,
    seed: int | None,
    no_rerun: bool,
    baselines: Path | None,
    edit_timeout: float | None,
    unsafe_no_sandbox: bool,
    loading: dict[str, dict[str, str]],
    output: Output,
) -> None:
    """Verify a submission: name all that is wrong with it, and compute its scores anew.

    What the unedited backbone says is asked here, and never taken from the submission. A sample of
    the edits is asked again and compared record by record: with the shipped values in the track
    `edits`, with the editor in a process of its own in the track `code`. With --secret, all edits are
    asked about by probes that nobody could know, and that run is the one a board shows.

    Exit status: 0 all is well; 1 problems, all of them listed; 2 something to mend in the call.

    \b
    Examples:
      mmedit-bench verify submissions/ours
      mmedit-bench verify submissions/ours --json --no-rerun
      mmedit-bench verify submissions/ours --secret secret.hex --admit board
      mmedit-bench verify submissions/ours --weights minigpt4-7b=checkpoints/minigpt4-7b
    """
    from mmedit_bench.submissions.board_folder import admit as admitted
    from mmedit_bench.submitting.means import Means
    from mmedit_bench.verification.verify import Manner
    from mmedit_bench.verification.verify import verify as verified

    if no_rerun and secret is not None:
        raise click.UsageError("--secret asks all edits again, and --no-rerun asks none; give one of them")
    if no_rerun:
        idle = ("sample", "seed", "edit_timeout", "unsafe_no_sandbox")
        refuse_idle("with --no-rerun, which asks no edit again", *idle)
    if replace and admit is None:
        raise click.UsageError("--replace says how to --admit; name a board")
    for_code = {"--edit-timeout": edit_timeout, "--unsafe-no-sandbox": unsafe_no_sandbox}
    manner = Manner(
        rerun=not no_rerun, sample=sample, seed=seed,
        secret=secret, baselines=baselines, board=admit, replace=replace, loading=loading,
        for_code=tuple(option for option, given in for_code.items() if given),
        isolation=partial(
            Means(edit_timeout=edit_timeout, sandbox=False if unsafe_no_sandbox else None).isolation, "code"
        ),
    )  # fmt: skip
    work, keep = Path(tempfile.mkdtemp(prefix="mmedit-bench-verify-")), False
    problems: tuple[Problem, ...] = ()
    try:
        with output.progress("verify") as advance:
            found = verified(submission, work, manner, advance)
        verdict = found.verification
        output.result(verdict.as_dict(), prose=described(verdict))  # whatever becomes of the admission
        problems = verdict.problems
        if problems:
            if admit is not None:
                output.note("not admitted: a board takes nothing with problems")
            raise SystemExit(REFUSED)
        if admit is not None and found.submission is not None:
            keep = True
            try:
                entry = admitted(
                    admit, found.submission, verdict, found.runs, found.baselines,
                    card=found.card, replace=replace,
                )  # fmt: skip
            except BenchError as error:
                raise BenchError(f"{error} (not admitted; what was verified is kept in {work})") from error
            keep = False
            output.say(f"admitted: {entry}\nnext: mmedit-bench site build --board {admit}")
    finally:
        if not keep:
            _cleared(work, problems)


def _cleared(work: Path, problems: Iterable[Problem]) -> None:
    """Away with a folder, but for what an editor's process wrote where a problem says to look."""
    texts = [problem.text for problem in problems]
    kept = {log for log in work.glob("*.log") if any(str(log) in text for text in texts)}
    if not kept:
        shutil.rmtree(work, ignore_errors=True)
        return
    for path in set(work.iterdir()) - kept:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def described(verdict: Verification) -> str:
    """A verdict for people."""
    from mmedit_bench.verification.verify import by_code

    lines = [f"{verdict.submission or 'a submission without a readable id'}: {verdict.status}"]
    for run in verdict.runs:
        asked = "nothing asked again"
        if run.sample is not None:
            asked = f"{run.sample.equal} of {run.sample.edits} edits asked again are equal"
        if run.commitment is not None:
            asked = f"all edits asked; secret {run.commitment[:12]}"
        lines.append(f"  {run.folder} ({run.probes} probes): {asked}")
    count = len(verdict.problems)
    if count:
        lines.append(f"\n{count} problem{'s' if count > 1 else ''}")
    for code, own in by_code(verdict.problems):
        lines.append(f"\n{code} ({len(own)})")
        lines += [_row(problem) for problem in own[:SHOWN]]
        if len(own) > SHOWN:
            lines.append(f"  … and {len(own) - SHOWN} more; --json lists all")
    return "\n".join(lines)


def _row(problem: Problem) -> str:
    return f"  {problem.where}\n    {problem.text}\n    fix: {problem.fix}"
