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
from typing import TYPE_CHECKING, NamedTuple

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
from mmedit_bench.scoring.scores import (
    FILE_NAME,
    NOTHING_ASKED,
    TEXT_ALONE,
    TOO_FEW,
    Cell,
    Counts,
    FamilyScores,
    RunScores,
)

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

log = logging.getLogger(__name__)

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
    state, selection = run.state, run.selection
    spec = state.manifest.spec
    recorded, left_out = _recorded(spec.evidence)
    planned = sum(step.moment == END for unit in run.schedule for _, step in unit.asks)
    moments = dict.fromkeys(step.moment for unit in run.schedule for _, step in unit.asks)
    found = {moment: _joined(run, moment) for moment in (END, *moments)}
    return RunScores(
        spec=spec,
        counts=Counts(
            len(selection.considered), selection.already_right, planned, len(found[END]), state.failed
        ),
        complete=state.complete,
        control=state.manifest.control,
        normalizer=NORMALIZER_VERSION,
        bootstrap={
            "method": "percentile, clustered by unit",
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
        left_out=left_out,
        moments={name: _family_scores(run, found[name], recorded) for name in moments if name != END},
    )


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
    """The cluster of each edit."""
    sorts: tuple[str, ...]
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
        rows = [row for row, sort in enumerate(self.sorts) if wanted(sort)]
        return EditValues(
            tuple(self.cases[row] for row in rows), tuple(self.units[row] for row in rows),
            tuple(self.sorts[row] for row in rows), self.columns,
            self.values[rows], self.probes[rows], self.unread[rows],
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
            left_out[family.name] = (
                f"{', '.join(missing)} was not recorded; run again with "
                f"{' '.join(f'--evidence {kind}' for kind in missing)}"
            )
        else:
            found.append(family)
    return found, left_out


def _family_scores(
    run: Checked, joined: Sequence[_Joined], recorded: Sequence[Family]
) -> dict[str, FamilyScores]:
    scores = {}
    for family in recorded:
        values = _values(run, family, joined)
        by_sort = {
            sort: _cells(family, values.where(lambda own, sort=sort: own == sort))  # type: ignore[misc]
            for sort in SORTS
        }
        scores[family.name] = FamilyScores(family.name, _cells(family, values), by_sort)
    return scores


def _columns(run: Checked) -> tuple[str, ...]:
    own = {key_of(probe.kind, probe.stratum) for case in run.selection.cases for probe in case.probes}
    return tuple(in_order({*HEADLINE, *own} - {"mean"}))


def _values(run: Checked, family: Family, joined: Sequence[_Joined]) -> EditValues:
    columns = _columns(run)
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
        sorts=tuple(case.sort for _, case in joined),
        columns=columns,
        values=values,
        probes=probes,
        unread=unread,
    )


def _cells(family: Family, found: EditValues) -> dict[str, Cell]:
    columns = found.columns
    counts: dict[str, int] = dict(zip(columns, found.probes.sum(axis=0).tolist(), strict=True))
    edits: dict[str, int] = dict(zip(columns, (found.probes > 0).sum(axis=0).tolist(), strict=True))
    labels = {key: family.label(key.partition("/")[0]) for key in columns}
    reasons: dict[str, str | None] = {
        key: NOTHING_ASKED if not counts[key] else TEXT_ALONE if key in found.empty else None
        for key in columns
    }
    for name, parts in GROUPS.items():
        counts[name] = sum(counts[part] for part in parts)
        edits[name] = min(edits[part] for part in parts)
        labels[name] = " + ".join(dict.fromkeys(labels[part] for part in parts))
        reasons[name] = next((why for part in parts if (why := reasons[part])), None)
    estimates = intervals.estimates(found.without(found.empty), found.units, columns, GROUPS)
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
