"""All that is wrong with a submission, as far as it can be told without a model: one list, not a first word.

Where a file cannot be read, the checks that need it are left out, and the problem of that file says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmedit_bench.submissions.checks_files import (
    ENVIRONMENT,
    digest_problems,
    environment_problems,
    layout_problems,
    runs_of,
)
from mmedit_bench.submissions.checks_package import package_problems
from mmedit_bench.submissions.checks_records import at_most
from mmedit_bench.submissions.checks_run import ExaminedRun, Suites, examined_run
from mmedit_bench.submissions.digests import FILE as DIGESTS
from mmedit_bench.submissions.digests import Digests
from mmedit_bench.submissions.edit_files import FOLDER as EDITS
from mmedit_bench.submissions.edit_files import edit_problems
from mmedit_bench.submissions.form import FILE as FORM
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submissions.hostile import Contents, read_folder, shown_path, shown_text
from mmedit_bench.submissions.problems import Problem

MOST_DIGESTS = 8 << 20
"""Bytes of digests.json: it names `MOST_FILES` files, in at most 400 bytes each."""

_SCORER = re.compile(r"mmedit-bench [0-9][A-Za-z0-9.+_-]{0,60}", re.ASCII)
_AGAIN = "make the submission anew with `mmedit-bench submit`"


@dataclass(frozen=True, slots=True)
class Examined:
    """A submission as far as it could be read, with all that is wrong with it."""

    contents: Contents
    submission: Submission | None
    runs: tuple[ExaminedRun, ...]
    """Those that can be followed."""
    problems: tuple[Problem, ...]
    digests: Digests | None
    """What digests.json says; None where it cannot be read."""

    @property
    def digest(self) -> str | None:
        """sha256 (hex) of digests.json."""
        return self.contents.digests.get(DIGESTS)


def examine(folder: Path, suites: Suites) -> Examined:
    """Look at all files of a submission. Raises `Unusable` where the folder itself cannot be read."""
    contents, problems = read_folder(folder)
    submission = None
    if FORM in contents.texts:
        submission, more = Submission.parse(contents.texts[FORM].decode())
        problems += at_most(more, FORM)
    track = submission.track if submission else None
    problems += layout_problems(contents, track)
    digests = None
    if len(text := contents.texts.get(DIGESTS, b"")) > MOST_DIGESTS:
        fix = f"it has at most {MOST_DIGESTS}: name the submission's files alone"
        problems.append(Problem("too-large", DIGESTS, f"it has {len(text)} bytes", fix))
    elif DIGESTS in contents.texts:
        digests, more = Digests.parse(text)
        problems += at_most(more, DIGESTS)
    if digests:
        problems += at_most(digest_problems(contents, digests), DIGESTS)
        if not _SCORER.fullmatch(digests.scorer):
            where = f"{DIGESTS}#scorer"
            problems.append(Problem("digests", where, "it names no version of mmedit-bench", _AGAIN))
    problems += package_problems(contents, digests, submission)
    runs: list[ExaminedRun] = []
    for name in runs_of(contents):
        run, more = examined_run(contents, name, suites, submission.editor if submission else None)
        problems += more
        if run:
            runs.append(run)
            if track == "edits":
                edits = edit_problems(contents, name, run.schedule, run.failed)
                problems += at_most(edits, f"{EDITS}/{name}")
    if digests and runs and len(runs) == len(runs_of(contents)):
        problems += _basis_problems(runs, digests)
    if ENVIRONMENT in contents.texts:
        specs = [run.manifest.spec for run in runs]
        told = environment_problems(
            contents.texts[ENVIRONMENT], {s.torch for s in specs}, {s.transformers for s in specs}
        )
        problems += at_most(told, ENVIRONMENT)
    return Examined(contents, submission, tuple(runs), bounded(problems), digests)


def bounded(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, fit to be printed and kept: they quote what a stranger wrote.

    At most `MOST_LISTED` of one code are kept of one file, with a count of the rest.
    """
    found = (
        replace(one, where=shown_text(one.where), text=shown_text(one.text), fix=shown_text(one.fix))
        for one in problems
    )
    return tuple(dict.fromkeys(at_most(found)))


def _basis_problems(runs: Sequence[ExaminedRun], digests: Digests) -> Iterator[Problem]:
    """Whether digests.json names the data and the weights of the runs, and no others."""
    specs = [run.manifest.spec for run in runs]
    for noun, told, found in (
        ("suites", digests.suites, {(spec.suite, spec.suite_digest) for spec in specs}),
        ("backbones", digests.backbones, {(spec.backbone, spec.backbone_digest) for spec in specs}),
    ):
        if set(told.items()) != found:
            names = ", ".join(sorted({name for name, _ in found ^ set(told.items())}))
            text = f"they are not those of the runs: {shown_path(names)}"
            yield Problem("digests", f"{DIGESTS}#{noun}", text, _AGAIN)
