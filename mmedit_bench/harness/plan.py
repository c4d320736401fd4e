"""What a run is going to do, made from its parts before anything is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mmedit_bench.datasets.suite import Suite
from mmedit_bench.errors import BenchError
from mmedit_bench.harness.baseline import Measured, asking_of
from mmedit_bench.harness.identity import EditorIdentity, identity_of, measure_identity
from mmedit_bench.protocols.steps import (
    EditingProtocol,
    Measure,
    Unit,
    measures_of,
    options_of,
    schedule_of,
)
from mmedit_bench.runs.evidence import DEFAULT
from mmedit_bench.runs.folder import Manifest, SelectionSummary
from mmedit_bench.runs.provenance import code_digest
from mmedit_bench.runs.spec import RunSpec

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.editors import Editor


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What to run: the parts, ready for use."""

    suite: Suite
    split: str
    backbone: Backbone
    editor: Editor | EditorIdentity
    """The editor, or who it is: its code may stand in another process."""
    protocol: EditingProtocol
    editor_options: Mapping[str, Any] = field(default_factory=dict)
    """The options the editor was made with."""
    editor_source: str = "unregistered"
    """`Entry.source` of an editor that was looked up by name."""
    evidence: tuple[str, ...] = DEFAULT
    """What is recorded of each reply; see `runs.evidence`."""
    limit: int | None = None
    seed: int = 0

    def spec(self) -> RunSpec:
        """What determines the outcome."""
        protocol = self.protocol
        return RunSpec(
            **asking_of(self.suite, self.split, self.backbone.unedited(), self.evidence),
            **self.identity().in_spec(),
            protocol=protocol.name,
            protocol_version=protocol.version,
            protocol_options=options_of(protocol),
            measures={
                name: measure_identity(name, options) for name, options in measures_of(protocol).items()
            },
            limit=self.limit,
            seed=self.seed,
            walking_code=code_digest("mmedit_bench.harness.walk", type(protocol).__module__),
        )

    def identity(self) -> EditorIdentity:
        """Who edits."""
        if isinstance(self.editor, EditorIdentity):
            return self.editor
        return identity_of(
            self.editor, self.backbone.unedited(), self.suite,
            seed=self.seed, options=self.editor_options, source=self.editor_source,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's spec with what follows from it."""

    spec: RunSpec
    schedule: tuple[Unit, ...]
    manifest: Manifest

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Index of the unit and number of the segment, for all segments in order."""
        return tuple(
            (index, number)
            for index, unit in enumerate(self.schedule)
            for number in range(len(unit.segments))
        )


def planned(experiment: Experiment, found: Measured, artefact: str | None = None) -> Plan:
    """The plan of an experiment whose cases are those of `found`; `artefact` is the training's sha256."""
    who = experiment.identity()
    spec = replace(experiment, editor=who).spec()
    selection = found.selection
    schedule = schedule_of(experiment.protocol, selection.cases, experiment.seed)
    _named(experiment.protocol, schedule)
    kept = tuple(case.id for case in selection.cases)
    manifest = Manifest(
        spec,
        SelectionSummary(len(selection.considered), selection.already_right, kept),
        len(schedule),
        sum(len(unit.asks) for unit in schedule),
        found.digest,
        artefact,
        who.control,
        who.source,
        getattr(experiment.backbone, "origin", {}),
    )
    return Plan(spec, schedule, manifest)


def _named(protocol: EditingProtocol, schedule: Sequence[Unit]) -> None:
    """Raise `BenchError` for a measure that the spec says nothing of."""
    named = measures_of(protocol)
    for unit in schedule:
        for step in unit.steps:
            if isinstance(step, Measure) and named.get(step.measure) != step.options:
                raise BenchError(
                    f"protocol {protocol.name} takes the measure {step.measure!r} with {dict(step.options)}, "
                    "but its option 'measures' does not say so; name it there with the same options"
                )
