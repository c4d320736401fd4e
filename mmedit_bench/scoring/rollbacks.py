"""Whether an edit that was undone left anything behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmedit_bench.cases import EditCase
from mmedit_bench.protocols.moments import UNDONE, WITHOUT
from mmedit_bench.protocols.steps import Undo
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.records import Asked
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.columns import key_of
from mmedit_bench.scoring.families import Family, family_named
from mmedit_bench.scoring.metrics import Seen
from mmedit_bench.scoring.scores import Cells
from mmedit_bench.scoring.tallies import Tally

UNEDITED = "the unedited model"
NEVER_MADE = "the model on which the edit was never made"


@dataclass(frozen=True, slots=True)
class RollbackScores:
    """Agreement after an undo with what it should lead back to, in percent, over probes of every kind.

    Cells are by column, and "all" over all probes of an edit.
    """

    family: str
    label: str
    """The measurement: that of the family for probes that should stay, here used for all."""
    against: str
    """What the answers are compared with."""
    undone: Cells
    """Over the probes of the edits that were undone."""
    others: Cells
    """Over those of the edits that stayed; empty where edits are undone alone."""
    identical: int
    """Units of which every reading, answer and tokens, is the same."""
    units: int
    """Units compared."""


def rollback_scores(run: Checked, family: str) -> RollbackScores | None:
    """Compare what is asked at "undone" with "without", or with the baseline where nothing else stays.

    None for a run that asks nothing at "undone". Raises `BenchError` for an unknown family.
    """
    known = family_named(family)
    moments = {step.moment for unit in run.schedule for _, step in unit.asks}
    if UNDONE not in moments:
        return None
    cluster = {unit.id: unit.resampled for unit in run.schedule}
    gone = {unit.id: {s.request for s in unit.steps if isinstance(s, Undo)} for unit in run.schedule}
    waiting: defaultdict[tuple[str, str], list[Asked]] = defaultdict(list)
    for ask in run.state.asks:
        if ask.moment == WITHOUT:
            waiting[cluster[ask.unit], ask.case].append(ask)
    cases = {case.id: case for case in run.selection.cases}
    undone, others = Tally(), Tally()
    same: dict[str, bool] = {}
    for ask in run.state.asks:
        if ask.moment != UNDONE:
            continue
        own = cluster[ask.unit]
        if WITHOUT in moments:
            if not waiting[own, ask.case]:
                continue  # the run has not come so far
            before = [probe.reading for probe in waiting[own, ask.case].pop(0).probes]
        else:
            before = [base.reading for base in run.baseline.probes[ask.case]]
        after = [probe.reading for probe in ask.probes]
        tally = undone if ask.case in gone[ask.unit] else others
        tally.add(own, _agreement(run, known, cases[ask.case], after, before))
        same[ask.unit] = same.get(ask.unit, True) and _tokens(after) == _tokens(before)
    label = known.on_keep.label
    return RollbackScores(
        family=family,
        label=label,
        against=NEVER_MADE if WITHOUT in moments else UNEDITED,
        undone=undone.cells(label),
        others=others.cells(label) if WITHOUT in moments else {},
        identical=sum(same.values()),
        units=len(same),
    )


def _agreement(
    run: Checked, family: Family, case: EditCase, after: Sequence[Reading], before: Sequence[Reading]
) -> Mapping[str, Sequence[float | None]]:
    found: defaultdict[str, list[float | None]] = defaultdict(list)
    metric = family.on_keep
    bases = run.baseline.probes[case.id]
    for probe, base, now, then in zip(case.probes, bases, after, before, strict=True):
        read = all(getattr(then, kind) is not None for kind in metric.needs)
        seen = Seen(probe.kind, probe.reference, base.target, now, then)
        found[key_of(probe.kind, probe.stratum)].append(metric.of(seen) if read else None)
    return found


def _tokens(readings: Sequence[Reading]) -> list[tuple[str, tuple[int, ...] | None]]:
    return [(reading.answer, reading.argmax) for reading in readings]
