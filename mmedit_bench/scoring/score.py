"""From recorded predictions to scores. Imports no model and no editor.

Reference answers and the meaning of each probe come from the suite, what the unedited backbone says
comes from the baseline, and the schedule is made anew: the record only says what was answered. A run
cannot choose its own questions.
"""

from __future__ import annotations

import errno
import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.cases import SORTS, EditCase
from mmedit_bench.errors import BadRecord, Unusable
from mmedit_bench.protocols.steps import END
from mmedit_bench.runs.baseline import FOLDER, Baseline, NotInBaseline, path_of, read_baseline
from mmedit_bench.runs.evidence import DEFAULT
from mmedit_bench.runs.files import write_whole
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.records import Asked, lines_of
from mmedit_bench.scoring import intervals
from mmedit_bench.scoring.checking import Checked, checked
from mmedit_bench.scoring.columns import HEADLINE, in_order, key_of
from mmedit_bench.scoring.cost import read_cost
from mmedit_bench.scoring.families import MAIN_GROUPS, MEAN_OF, Family, families, family_named
from mmedit_bench.scoring.metrics import Seen
from mmedit_bench.scoring.normalize import NORMALIZER_VERSION
from mmedit_bench.scoring.retention import measure_scores
from mmedit_bench.scoring.scores import (
    FILE_NAME,
    NOTHING_ASKED,
    TEXT_ALONE,
    TOO_FEW,
    Cell,
    Counts,
    FamilyScores,
    RunScores,
    Section,
)
from mmedit_bench.scoring.sections import Table, not_recorded, parts_of, sections_of

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

log = logging.getLogger(__name__)

T = TypeVar("T")

GROUPS = {**MAIN_GROUPS, "mean": MEAN_OF}


def score_run(folder: Path, suite: Suite, baselines: Path | None = None) -> RunScores:
    """Score a run, complete or not, and write its scores.json (whole or not at all).

    In a folder that cannot be written the scores are returned all the same, with a warning. Raises
    as `scored`.
    """
    scores = scored(folder, suite, baselines)
    try:
        write_whole(folder / FILE_NAME, scores.text().encode())
    except Unusable as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        log.warning("%s is not written: the folder is read-only", folder / FILE_NAME)
    return scores


def scored(folder: Path, suite: Suite, baselines: Path | None = None) -> RunScores:
    """The scores of a run and what its edits cost, computed from its answers; writes nothing.

    Raises `BadRecord` if the run was made with other data, is not what its spec asks for, or is
    measured against a baseline that is not at hand.
    """
    run = checked_run(folder, suite, baselines)
    return replace(scores_of(run), cost=read_cost(folder, {record.unit for record in run.state.records}))


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


def scores_of(run: Checked) -> RunScores:
    """The scores of what a run has recorded so far, without its cost."""
    # these read what is scored here
    from mmedit_bench.scoring.conflicts import conflict_scores
    from mmedit_bench.scoring.rollbacks import rollback_scores
    from mmedit_bench.scoring.sequences import sequence_scores

    state, selection = run.state, run.selection
    spec = state.manifest.spec
    recorded, left_out = _recorded(spec.evidence)
    planned = sum(step.moment == END for unit in run.schedule for _, step in unit.asks)
    moments = dict.fromkeys(step.moment for unit in run.schedule for _, step in unit.asks)
    found = {moment: _joined(run, moment) for moment in (END, *moments)}
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
            "method": "percentile, by cluster of units",
            "level": intervals.LEVEL,
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


def measured_against(run: Checked) -> str:
    """Digest of the readings before any edit: equal for runs whose numbers can be compared.

    The evidence that only some runs record is left out; the manifest's digest covers it too.
    """
    manifest = run.state.manifest
    if manifest.spec.evidence == DEFAULT:
        return manifest.baseline
    common = Baseline(DEFAULT, run.baseline.answers, run.baseline.probes)
    return common.digest(run.selection.considered, [case.id for case in run.selection.cases])


@dataclass(frozen=True, slots=True)
class EditValues:
    """One family's measurements at one moment, by edit: what scores are means of.

    Arrays are [edits, columns]: an edit asked about in two units is two rows.
    """

    cases: tuple[str, ...]
    units: tuple[str, ...]
    clusters: tuple[str, ...]
    """What intervals resample and permutations flip, for each edit: the cluster of its unit."""
    sorts: tuple[str, ...]
    tasks: tuple[str, ...]
    columns: tuple[str, ...]
    values: intervals.Floats
    """Mean over the probes of that column, in [0, 1]; NaN where an edit has none or none was read."""
    probes: NDArray[np.int64]
    """Probes asked."""
    unread: NDArray[np.int64]
    """Those among them that gave nothing to measure."""

    @property
    def empty(self) -> frozenset[str]:
        """Columns of which some probe was not read."""
        lacking = self.unread.sum(axis=0) > 0
        return frozenset(name for name, lacks in zip(self.columns, lacking, strict=True) if lacks)

    def where(self, wanted: Callable[[str], bool]) -> EditValues:
        """Those of the sorts wanted."""
        return self.take([row for row, sort in enumerate(self.sorts) if wanted(sort)])

    def of_task(self, task: str) -> EditValues:
        """Those of a task."""
        return self.take([row for row, own in enumerate(self.tasks) if own == task])

    def take(self, rows: Sequence[int]) -> EditValues:
        """Some edits, in the order of `rows`."""
        rows = list(rows)
        return EditValues(
            tuple(self.cases[row] for row in rows), tuple(self.units[row] for row in rows),
            tuple(self.clusters[row] for row in rows), tuple(self.sorts[row] for row in rows),
            tuple(self.tasks[row] for row in rows), self.columns,
            self.values[rows], self.probes[rows], self.unread[rows],
        )  # fmt: skip

    def only(self, columns: Sequence[str]) -> EditValues:
        """Some columns, in the order given."""
        places = [self.columns.index(name) for name in columns]
        return replace(
            self, columns=tuple(columns),
            values=self.values[:, places], probes=self.probes[:, places], unread=self.unread[:, places],
        )  # fmt: skip

    def without(self, columns: frozenset[str]) -> intervals.Floats:
        """The values, with NaN throughout these columns."""
        values = self.values.copy()
        values[:, [name in columns for name in self.columns]] = np.nan
        return values


def edit_values(run: Checked, family: str, moment: str = END) -> EditValues:
    """One family's measurements of a run, edit by edit, in the schedule's order."""
    return _values(run, family_named(family), _joined(run, moment))


class _Joined(NamedTuple):
    """One ask with its case and the case's place in the baseline."""

    ask: Asked
    case: EditCase


def _joined(run: Checked, moment: str) -> list[_Joined]:
    known = {case.id: case for case in run.selection.cases}
    return [_Joined(ask, known[ask.case]) for ask in run.state.asks if ask.moment == moment]


def _recorded(evidence: Sequence[str]) -> tuple[list[Family], dict[str, str]]:
    """The families that can be read from this evidence, and why the others cannot."""
    found, left_out = [], {}
    for family in families().values():
        if missing := [kind for kind in family.needs if kind not in evidence]:
            left_out[family.name] = not_recorded(missing)
        else:
            found.append(family)
    return found, left_out


def _family_scores(
    run: Checked, joined: Sequence[_Joined], recorded: Sequence[Family]
) -> dict[str, FamilyScores]:
    scores = {}
    tasks = tasks_of(run)
    for family in recorded:
        values = _values(run, family, joined)
        by_sort = {
            sort: cells_of(family, values.where(lambda own, sort=sort: own == sort))  # type: ignore[misc]
            for sort in SORTS
        }
        by_task = {task: cells_of(family, values.of_task(task)) for task in tasks if len(tasks) > 1}
        scores[family.name] = FamilyScores(family.name, cells_of(family, values), by_sort, by_task)
    return scores


def tasks_of(run: Checked) -> tuple[str, ...]:
    """The tasks of a run's cases, in the order in which they come."""
    return tuple(dict.fromkeys(case.task for case in run.selection.cases))


def _sections(
    run: Checked, joined: Sequence[_Joined], recorded: Sequence[Family]
) -> tuple[dict[str, Section], dict[str, str]]:
    """Behaviours and gaps, and why some are left out."""
    named = {family.name: family for family in recorded}
    values = {name: _values(run, family, joined) for name, family in named.items()}
    tables = {name: Table(own.columns, own.values, own.probes, own.unread) for name, own in values.items()}
    parts, left_out = parts_of(joined, run.baseline, named, tables, GROUPS)
    rows = next(iter(values.values()))  # a run records answers at the least
    return sections_of(parts, rows.clusters, rows.sorts, SORTS), left_out


def _columns(run: Checked) -> tuple[str, ...]:
    own = {key_of(probe.kind, probe.stratum) for case in run.selection.cases for probe in case.probes}
    return tuple(in_order({*HEADLINE, *own} - {"mean"}))


def _values(run: Checked, family: Family, joined: Sequence[_Joined]) -> EditValues:
    columns = _columns(run)
    cluster = {unit.id: unit.resampled for unit in run.schedule}
    place = {key: number for number, key in enumerate(columns)}
    shape = (len(joined), len(columns))
    values = np.full(shape, np.nan)
    probes, unread = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, (ask, case) in enumerate(joined):
        found: dict[int, list[float]] = defaultdict(list)
        before = run.baseline.probes[case.id]
        for probe, record, base in zip(case.probes, ask.probes, before, strict=True):
            column = place[key_of(probe.kind, probe.stratum)]
            seen = Seen(probe.kind, probe.reference, base.target, record.reading, base.reading)
            value = family.metric(probe.kind).of(seen)
            probes[row, column] += 1
            if value is None:
                unread[row, column] += 1
            else:
                found[column].append(value)
        for column, own in found.items():
            values[row, column] = sum(own) / len(own)
    return EditValues(
        cases=tuple(case.id for _, case in joined),
        units=tuple(ask.unit for ask, _ in joined),
        clusters=tuple(cluster[ask.unit] for ask, _ in joined),
        sorts=tuple(case.sort for _, case in joined),
        tasks=tuple(case.task for _, case in joined),
        columns=columns,
        values=values,
        probes=probes,
        unread=unread,
    )


def label_of(family: Family, column: str) -> str:
    """What a column, or a mean of columns, measures."""
    if column in GROUPS:
        return " + ".join(dict.fromkeys(label_of(family, part) for part in GROUPS[column]))
    return family.label(column.partition("/")[0])


def cells_of(family: Family, found: EditValues) -> dict[str, Cell]:
    """Mean and interval of every column and group, in percent."""
    columns = found.columns
    counts: dict[str, int] = dict(zip(columns, found.probes.sum(axis=0).tolist(), strict=True))
    edits: dict[str, int] = dict(zip(columns, (found.probes > 0).sum(axis=0).tolist(), strict=True))
    labels = {key: label_of(family, key) for key in columns}
    reasons: dict[str, str | None] = {
        key: NOTHING_ASKED if not counts[key] else TEXT_ALONE if key in found.empty else None
        for key in columns
    }
    for name, parts in GROUPS.items():
        counts[name] = sum(counts[part] for part in parts)
        edits[name] = min(edits[part] for part in parts)
        labels[name] = label_of(family, name)
        reasons[name] = next((why for part in parts if (why := reasons[part])), None)
    estimates = intervals.estimates(found.without(found.empty), found.clusters, columns, GROUPS)
    return {
        key: _cell(estimate, reasons[key], counts[key], edits[key], labels[key])
        for key, estimate in estimates.items()
    }


def _cell(estimate: intervals.Estimate | None, reason: str | None, n: int, edits: int, label: str) -> Cell:
    if estimate is None:
        return Cell(None, None, None, n, edits, label, reason)
    percent = estimate.times(100)
    few = TOO_FEW if percent.low is None else None
    return Cell(percent.value, percent.low, percent.high, n, edits, label, few)
