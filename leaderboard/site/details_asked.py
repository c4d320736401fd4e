"""What the runs of a block were asked: cases, probes and what the unedited backbone says to them.

Where the suite is at hand, every probe has its kind, its question and its picture. Where it is not,
or where its probes were drawn with a secret, only what is recorded is known: ids and answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leaderboard.site.answers import Before
from leaderboard.site.details_reading import Asked, Wanted
from leaderboard.site.loading import Suites, at_hand, lacking
from leaderboard.site.runs import BLIND
from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadData, BadRecord, BenchError
from mmedit_bench.protocols.steps import Unit, schedule_of
from mmedit_bench.runs.folder import Manifest
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.checking import protocol_of
from mmedit_bench.scoring.columns import HEADLINE, in_order, key_of


@dataclass(frozen=True, slots=True)
class Data:
    """The data behind a block."""

    cases: Mapping[str, EditCase]
    """By id; of a blind suite those of the public one, whose requests are the same. Empty where the
    suite is not at hand."""
    told: bool
    """Whether the probes of `cases` are those that were asked."""
    why: str
    """Why probes are not shown; empty where they are."""


def data_of(spec: RunSpec, suites: Suites, *, blind: bool) -> Data:
    """The cases of a run's suite. Where they cannot be had, the reason, in words."""
    name = spec.suite.removesuffix(BLIND) if blind else spec.suite
    suite = at_hand(suites, name)
    if suite is None or spec.split not in suite.splits:
        return Data({}, False, f"The suite {name} was not at hand when these pages were built.")
    if not blind and suite.digest != spec.suite_digest:
        return Data({}, False, f"The suite {name} at hand is another version of the data than was asked.")
    cases = {case.id: case for case in suite.cases(spec.split)}
    if _unscheduled(spec, tuple(cases.values())[: spec.limit]):
        why = "were not at hand when these pages were built, and which edits were made together follows from"
        return Data({}, False, f"Pictures of the suite {name} {why} them.")
    if blind:
        return Data(cases, False, "The probes were drawn with a secret, and so is what each of them asks.")
    return Data(cases, True, "")


def _unscheduled(spec: RunSpec, cases: Sequence[EditCase]) -> bool:
    """Whether a schedule cannot be made for want of pictures, by which a protocol tells contradictions."""
    try:
        schedule_of(protocol_of(spec), cases, spec.seed)
    except BadData:
        return lacking(cases)
    except BenchError:
        return False  # a run may have kept others of these cases; what is wrong with those its reader says
    return False


def columns_of(data: Data) -> tuple[str, ...]:
    """The columns of a block's table of edits, as `scoring.edit_values` has them; none of secret kinds."""
    if not data.told:
        return ()
    own = {key_of(probe.kind, probe.stratum) for case in data.cases.values() for probe in case.probes}
    return tuple(in_order({*HEADLINE, *own} - {"mean"}))


def asked_of(data: Data, before: Before, columns: Sequence[str]) -> Asked:
    """What runs measured against one baseline were asked. Raises `BadRecord` if it is not of this data."""
    place = {name: number for number, name in enumerate(columns)}
    found: dict[str, tuple[Wanted, ...]] = {}
    for id, bases in before.probes.items():
        case = data.cases.get(id)
        if data.told and case is not None:
            if [probe.id for probe in case.probes] != [name for name, _, _ in bases]:
                raise BadRecord(f"the baseline's probes of case {id} are not the suite's, in order")
            found[id] = tuple(
                Wanted(
                    name,
                    place[key_of(probe.kind, probe.stratum)],
                    probe.kind,
                    probe.reference,
                    tokens,
                    unedited,
                )
                for probe, (name, tokens, unedited) in zip(case.probes, bases, strict=True)
            )
        else:
            target = case.request.target if case else ""
            found[id] = tuple(
                Wanted(name, -1, "", target, tokens, unedited) for name, tokens, unedited in bases
            )
    return Asked(tuple(columns), found)


def units_of(manifest: Manifest, data: Data) -> tuple[Unit, ...]:
    """A run's schedule; empty where it cannot be made."""
    if not data.cases:
        return ()
    kept = [data.cases[id] for id in manifest.selection.cases if id in data.cases]
    if len(kept) < len(manifest.selection.cases):
        return ()
    return schedule_of(protocol_of(manifest.spec), kept, manifest.spec.seed)


@dataclass(slots=True)
class Schedules:
    """The schedules of a block's runs, each once: another seed gives units of the same names other cases."""

    data: Data
    clusters: dict[str, str] = field(default_factory=dict)
    """By unit, what intervals resample it with."""
    _by_plan: dict[tuple[tuple[str, ...], int], int] = field(default_factory=dict)
    _numbers: dict[tuple[object, ...], int] = field(default_factory=dict)

    def number(self, manifest: Manifest) -> int:
        """The same for runs whose units hold the same cases in the same order."""
        plan = (manifest.selection.cases, manifest.spec.seed)
        if plan not in self._by_plan:
            units = units_of(manifest, self.data)
            self.clusters |= {unit.id: unit.resampled for unit in units}
            made = tuple((unit.id, *(step.case.id for _, step in unit.asks)) for unit in units)
            self._by_plan[plan] = self._numbers.setdefault(made, len(self._numbers))
        return self._by_plan[plan]
