"""Of two edits that contradict each other, which one is in force: the last should be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from mmedit_bench.cases import EditCase
from mmedit_bench.protocols.conflict import answers_of
from mmedit_bench.protocols.contradictions import reached
from mmedit_bench.protocols.moments import UNDONE, WITHOUT
from mmedit_bench.protocols.steps import END, Apply, Unit
from mmedit_bench.runs.evidence import ANSWER
from mmedit_bench.scoring.cells import cells_of
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.columns import key_of
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.matched import differences_of, paired_rows
from mmedit_bench.scoring.metrics import Seen
from mmedit_bench.scoring.scores import Cells
from mmedit_bench.scoring.tallies import Tally


@dataclass(frozen=True, slots=True)
class ConflictScores:
    """One run's conflicts in one scorer family, in percent."""

    family: str
    last: Cells
    """The scores of the last edit, as everywhere: how often it wins, and what stays."""
    earlier: Cells
    """How often the earlier edit's target is still said, over probes that the last one should change.

    By column, and "all"; empty for a family that does not read answers alone, since the tokens of the
    earlier target are not asked.
    """
    cost: Cells
    """Without the earlier edits minus with them, paired; empty where that was not asked."""


def conflict_scores(run: Checked, family: str) -> ConflictScores | None:
    """None for a run in which no edit contradicts an earlier one of its unit.

    Raises `BenchError` for an unknown family.
    """
    known = family_named(family)
    cases = {case.id: case for case in run.selection.cases}
    targets = {unit.id: earlier_targets(unit, cases) for unit in run.schedule}
    if not any(targets.values()) or any(step.moment == UNDONE for u in run.schedule for _, step in u.asks):
        return None
    cluster = {unit.id: unit.resampled for unit in run.schedule}
    tally = Tally()
    metric = known.on_change
    for ask in run.state.asks:
        target = targets[ask.unit].get(ask.case)
        if ask.moment != END or target is None or metric.needs != (ANSWER,):
            continue
        found: defaultdict[str, list[float | None]] = defaultdict(list)
        case = cases[ask.case]
        asking = {probe.id for probe in reached(case) if probe.reference == case.request.target}
        for probe, base, record in zip(case.probes, run.baseline.probes[case.id], ask.probes, strict=True):
            if probe.id in asking:
                seen = Seen(probe.kind, target, base.target, record.reading, base.reading)
                found[key_of(probe.kind, probe.stratum)].append(metric.of(seen))
        tally.add(cluster[ask.unit], found)
    end, without = edit_values(run, family), edit_values(run, family, WITHOUT)
    pairs = paired_rows(without, end)
    return ConflictScores(
        family=family,
        last=cells_of(known, end),
        earlier=tally.cells(metric.label) if metric.needs == (ANSWER,) else {},
        cost=differences_of(known, without.take([a for a, _ in pairs]), end.take([b for _, b in pairs]))
        if pairs
        else {},
    )


def earlier_targets(unit: Unit, cases: Mapping[str, EditCase]) -> dict[str, str]:
    """By case, the target of the last edit before its own that wants another answer to a query of its."""
    found: dict[str, str] = {}
    made: dict[str, tuple[int, str]] = {}
    for index, step in enumerate(unit.steps):
        if not isinstance(step, Apply):
            continue
        request = step.request
        if case := cases.get(request.id):
            wanted = answers_of(case)
            against = [made[query] for query in wanted if query in made and made[query][1] != wanted[query]]
            if against:
                found[case.id] = max(against)[1]
        made[request.query.digest] = index, request.target
    return found
