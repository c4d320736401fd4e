"""From recorded predictions to scores. Imports no model and no editor.

Reference answers and the meaning of each probe come from the suite, what the unedited backbone says
comes from the baseline, and the schedule is made anew: the record only says what was answered. A run
cannot choose its own questions.
"""

from __future__ import annotations

import errno
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mmedit_bench.cases import SORTS
from mmedit_bench.errors import BadRecord, Unusable
from mmedit_bench.protocols.steps import END
from mmedit_bench.runs.baseline import FOLDER, NotInBaseline, path_of, read_baseline
from mmedit_bench.runs.files import write_whole
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.records import lines_of
from mmedit_bench.scoring import intervals
from mmedit_bench.scoring.cells import cells_of
from mmedit_bench.scoring.checking import Checked, checked, measured_against
from mmedit_bench.scoring.conflicts import conflict_scores
from mmedit_bench.scoring.cost import read_cost
from mmedit_bench.scoring.edit_values import Joined, joined, tasks_of, values_of
from mmedit_bench.scoring.families import Family, families, legacy_families
from mmedit_bench.scoring.groups import MEANS
from mmedit_bench.scoring.normalize import NORMALIZER_VERSION
from mmedit_bench.scoring.retention import measure_scores
from mmedit_bench.scoring.rollbacks import rollback_scores
from mmedit_bench.scoring.scores import (
    FILE_NAME,
    Counts,
    FamilyScores,
    RunScores,
    Section,
)
from mmedit_bench.scoring.sections import Table, not_recorded, parts_of, sections_of
from mmedit_bench.scoring.sequences import sequence_scores
from mmedit_bench.scoring.tails import LEVEL

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

log = logging.getLogger(__name__)

T = TypeVar("T")


def score_run(
    folder: Path, suite: Suite, baselines: Path | None = None, *, legacy: bool = False
) -> RunScores:
    """Score a run, complete or not, and write its scores.json (whole or not at all).

    In a folder that cannot be written the scores are returned all the same, with a warning. Raises
    as `scored`.
    """
    scores = scored(folder, suite, baselines, legacy=legacy)
    try:
        write_whole(folder / FILE_NAME, scores.text().encode())
    except Unusable as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        log.warning("%s is not written: the folder is read-only", folder / FILE_NAME)
    return scores


def scored(folder: Path, suite: Suite, baselines: Path | None = None, *, legacy: bool = False) -> RunScores:
    """The scores of a run and what its edits cost, computed from its answers; writes nothing.

    With `legacy`, also by the families that repeat published evaluations (`scoring.legacy`). Raises
    `BadRecord` if the run was made with other data, is not what its spec asks for, or is measured against
    a baseline that is not at hand.
    """
    run = checked_run(folder, suite, baselines)
    return replace(
        scores_of(run, legacy=legacy), cost=read_cost(folder, {record.unit for record in run.state.records})
    )


def checked_run(folder: Path, suite: Suite, baselines: Path | None = None) -> Checked:
    """A run folder and its baseline, read and compared with the suite. Raises as `scored`.

    `baselines` is the folder of baselines: by default the one beside the run.
    """
    state = read_run(folder)
    spec = state.manifest.spec
    path = path_of(baselines or folder.resolve().parent / FOLDER, spec)
    if not path.exists():
        raise BadRecord(
            f"run {folder} is measured against {path}, which is not there; bring it along, or make it with "
            "`mmedit-bench run` and the same options"
        )
    try:
        return checked(state, suite, read_baseline(path, spec.evidence))
    except NotInBaseline as error:
        raise BadRecord(
            f"{path}: {error}; bring the whole file back, or have `mmedit-bench run` with the same options "
            "complete it"
        ) from None


def scores_of(run: Checked, *, legacy: bool = False) -> RunScores:
    """The scores of what a run has recorded so far, without its cost."""
    state, selection = run.state, run.selection
    spec = state.manifest.spec
    recorded, left_out = _recorded(spec.evidence, legacy)
    planned = sum(step.moment == END for unit in run.schedule for _, step in unit.asks)
    moments = dict.fromkeys(step.moment for unit in run.schedule for _, step in unit.asks)
    found = {moment: joined(run, moment) for moment in (END, *moments)}
    sections, without = _sections(run, found[END], recorded)
    return RunScores(
        spec=spec,
        counts=Counts(
            len(selection.considered), selection.already_right, planned, len(found[END]), state.failed
        ),
        complete=state.complete,
        control=state.manifest.control,
        normalizer=NORMALIZER_VERSION,
        bootstrap={
            "method": intervals.METHOD,
            "level": LEVEL,
            "resamples": intervals.RESAMPLES,
            "seed": intervals.SEED,
            "fewest": intervals.FEWEST,
        },
        predictions=hashlib.sha256(lines_of(state.records, spec.evidence)).hexdigest(),
        baseline=measured_against(run),
        artefact=state.manifest.artefact,
        source=state.manifest.source,
        families=_family_scores(run, found[END], recorded),
        left_out=left_out | without,
        sections=sections,
        measures=measure_scores(state.measures),
        moments={name: _family_scores(run, found[name], recorded) for name in moments if name != END},
        sequences=_by_family(sequence_scores, run, recorded),
        rollback=_by_family(rollback_scores, run, recorded),
        conflict=_by_family(conflict_scores, run, recorded),
    )


def _by_family(
    score: Callable[[Checked, str], T | None], run: Checked, recorded: Sequence[Family]
) -> dict[str, T]:
    """What a protocol's own scores are, in the families where there are any."""
    found = {family.name: score(run, family.name) for family in recorded}
    return {name: own for name, own in found.items() if own is not None}


def _recorded(evidence: Sequence[str], legacy: bool) -> tuple[list[Family], dict[str, str]]:
    """The families that can be read from this evidence, and why the others cannot."""
    found, left_out = [], {}
    for family in (*families().values(), *(legacy_families().values() if legacy else ())):
        if missing := [kind for kind in family.needs if kind not in evidence]:
            left_out[family.name] = not_recorded(missing)
        else:
            found.append(family)
    return found, left_out


def _family_scores(
    run: Checked, asked: Sequence[Joined], recorded: Sequence[Family]
) -> dict[str, FamilyScores]:
    scores = {}
    tasks = tasks_of(run)
    for family in recorded:
        values = values_of(run, family, asked)
        by_sort = {
            sort: cells_of(family, values.where(lambda own, sort=sort: own == sort))  # type: ignore[misc]
            for sort in SORTS
        }
        by_task = {task: cells_of(family, values.of_task(task)) for task in tasks if len(tasks) > 1}
        scores[family.name] = FamilyScores(family.name, cells_of(family, values), by_sort, by_task)
    return scores


def _sections(
    run: Checked, asked: Sequence[Joined], recorded: Sequence[Family]
) -> tuple[dict[str, Section], dict[str, str]]:
    """Behaviours and gaps, and why some are left out."""
    named = {family.name: family for family in recorded}
    values = {name: values_of(run, family, asked) for name, family in named.items()}
    tables = {name: Table(own.columns, own.values, own.probes, own.unread) for name, own in values.items()}
    parts, left_out = parts_of(asked, run.baseline, named, tables, MEANS)
    rows = next(iter(values.values()))  # a run records answers at the least
    return sections_of(parts, rows.clusters, rows.sorts, SORTS), left_out
