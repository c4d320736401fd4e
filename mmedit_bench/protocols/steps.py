"""A schedule: what a protocol tells the harness to do.

A protocol knows cases and order, nothing of editors, backbones or metrics; the harness walks the
schedule and knows nothing of the protocol's intentions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

from mmedit_bench.cases import EditCase, EditRequest
from mmedit_bench.errors import BadData, BenchError

END = "end"
"""The moment that the headline numbers are taken at."""

SEGMENT = 16
"""Steps that are recorded together, at most: what a killed run loses of a long unit."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Have the editor make an edit, and keep it in force on top of those already there.

    The new edit of a request that is in force already takes the older one's place, if it can be made.
    """

    request: EditRequest
    beside: tuple[str, ...] = ()
    """Ids of the requests of the same batch: the edit is made on the model without their edits."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask all probes of a case with the edits now in force, and record the answers.

    `moment` says when in the unit that is. One case may be asked at several moments; each is
    scored on its own, and "end" is what the headline counts.
    """

    case: EditCase
    moment: str = END


@dataclass(frozen=True, slots=True)
class Undo:
    """Take one edit out of those in force; the others stay."""

    request: str
    """Id of the request whose edit goes."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Drop all edits."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure something of the edited model that is no probe, by a registered measure."""

    measure: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    moment: str = END


Step = Apply | Ask | Undo | Restore | Measure


@dataclass(frozen=True, slots=True)
class Unit:
    """Steps that belong together: no edit outlives its unit, so units can run in any process.

    `id` is unique in a schedule and seeds the unit's random numbers. What is uncertain about a run
    is estimated by resampling clusters: what happens to units of one cluster hangs together, such as
    to the same cases in several orders.
    """

    id: str
    steps: tuple[Step, ...]
    cluster: str | None = None
    """What is resampled; None for the unit itself."""

    @property
    def resampled(self) -> str:
        """The cluster, or the unit's own id where it has none."""
        return self.id if self.cluster is None else self.cluster

    @property
    def asks(self) -> tuple[tuple[int, Ask], ...]:
        """Index and step of each `Ask`, in order."""
        return tuple((index, step) for index, step in enumerate(self.steps) if isinstance(step, Ask))

    @property
    def segments(self) -> tuple[range, ...]:
        """Indices of the steps that are recorded together: at most `SEGMENT`, in order."""
        size = len(self.steps)
        return tuple(range(start, min(start + SEGMENT, size)) for start in range(0, size, SEGMENT))


class EditingProtocol(Protocol):
    """What is registered under `mmedit_bench.protocols`: a class, called with its options.

    `version` changes whenever the schedule for the same cases, seed and options may. A protocol
    with options also has `options`, a mapping of all of them as they hold, defaults included.
    """

    name: str
    version: str

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        """The schedule, a function of the arguments and options alone. Each unit asks or measures."""


def options_of(protocol: EditingProtocol) -> dict[str, Any]:
    """All options of a protocol, as they hold."""
    return dict(getattr(protocol, "options", {}))


def measures_of(protocol: EditingProtocol) -> dict[str, Mapping[str, Any]]:
    """The measures that a protocol takes, by name with their options: its option `measures`."""
    return dict(options_of(protocol).get("measures") or {})


def schedule_of(protocol: EditingProtocol, cases: Sequence[EditCase], seed: int) -> tuple[Unit, ...]:
    """The protocol's units. Raises `BenchError` for a schedule that could not be recorded or scored."""
    units = tuple(protocol.units(cases, seed))
    name = protocol.name
    seen: set[str] = set()
    for unit in units:
        if unit.id in seen:
            raise BenchError(f"protocol {name} gives two units the same id, {unit.id!r}")
        seen.add(unit.id)
        given: tuple[object, ...] = unit.steps  # by a protocol that nobody may have type-checked
        if strange := [step for step in given if not isinstance(step, Step)]:
            raise BenchError(f"protocol {name}: unit {unit.id} has a step that is none: {strange[0]!r}")
        moments = [(step.case.id, step.moment) for _, step in unit.asks]
        if len(set(moments)) < len(moments):
            raise BenchError(f"protocol {name}: unit {unit.id} asks a case twice at one moment; name them")
        applied = {step.request.id for step in unit.steps if isinstance(step, Apply)}
        for step in unit.steps:
            if isinstance(step, Apply) and not {*step.beside} <= applied - {step.request.id}:
                raise BenchError(
                    f"protocol {name}: unit {unit.id} has the edit of {step.request.id} made beside "
                    f"{', '.join(step.beside)}, which must be other edits of the unit"
                )
        if not any(isinstance(step, Ask | Measure) for step in unit.steps):
            raise BenchError(f"protocol {name}: unit {unit.id} asks nothing, so nothing is learned from it")
        in_force(unit, len(unit.steps))
    return units


def in_force(unit: Unit, before: int, failed: frozenset[int] = frozenset()) -> tuple[tuple[int, str], ...]:
    """The edits in force ahead of step `before`: step that made it and request id, in order.

    `failed` are the `Apply` steps that made none. Raises `BadData` for an `Undo` of what is not there.
    """
    found: dict[str, int] = {}
    named: set[str] = set()
    for index, step in enumerate(unit.steps[:before]):
        match step:
            case Apply(request=request):
                named.add(request.id)
                if index not in failed:
                    # by a new key at the end: an edit made again stands where the newer one was made
                    found.pop(request.id, None)
                    found[request.id] = index
            case Undo(request=request_id):
                if request_id not in named:
                    raise BadData(f"unit {unit.id}, step {index}: undoes {request_id}, which is not in force")
                named.discard(request_id)
                found.pop(request_id, None)
            case Restore():
                found.clear()
                named.clear()
            case Ask() | Measure():
                pass
            case _:
                assert_never(step)
    return tuple((index, request_id) for request_id, index in found.items())
