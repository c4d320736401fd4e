"""What a run records: one JSON line per step, and the reader that survives a killed writer.

A writer that dies leaves at most a torn last line or a segment without its last line. The reader
drops both, because the segment will be walked again; anything else that is wrong is damage, and an
error. What the probes are about and what would have been right stands elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.files import MOST_BYTES, finite, parsed, read_regular
from mmedit_bench.runs.spec import canonical

NATS = ":nats"
"""Ends the name of a measured value that is the logarithm of what people read: of a perplexity."""

MOST_ITEMS = 1 << 16
"""Items that a measured value may have."""
LONGEST_NAME = 300
"""Characters of its name."""

Status = Literal["ok", "failed"]
Closes = Literal["segment", "unit"] | None


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """What the edited model said to one probe."""

    id: str
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What one step of a unit came to; the kinds of step are the subclasses."""

    unit: str
    step: int
    """Index of the step in its unit."""
    closes: Closes = None
    """What ends with this step: a segment of the unit, the unit, or nothing."""

    def own(self, kinds: Sequence[str]) -> dict[str, Any]:
        """The fields beyond these three, as JSON values; `kinds` of evidence are written."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(StepRecord):
    """An edit was made, or could not be."""

    request: str
    status: Status
    """"failed" if the editor raised, ran out of time or returned no edit."""
    error: str | None

    def own(self, kinds: Sequence[str]) -> dict[str, Any]:
        return {"request": self.request, "status": self.status, "error": self.error}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(StepRecord):
    """All answers to one case's probes at one moment."""

    case: str
    moment: str
    edits: tuple[str, ...]
    """Ids of the requests whose edits were in force, in order."""
    status: Status
    """"failed" if asking raised with some of the edits: those were left out."""
    error: str | None
    probes: tuple[ProbeRecord, ...]

    def own(self, kinds: Sequence[str]) -> dict[str, Any]:
        return {
            "case": self.case,
            "moment": self.moment,
            "edits": list(self.edits),
            "status": self.status,
            "error": self.error,
            "probes": [{"id": probe.id, **probe.reading.as_dict(kinds)} for probe in self.probes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone(StepRecord):
    """An edit was taken out."""

    request: str

    def own(self, kinds: Sequence[str]) -> dict[str, Any]:
        return {"request": self.request}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored(StepRecord):
    """All edits were dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(StepRecord):
    """Numbers of the edited model that are no answers to probes."""

    measure: str
    moment: str
    values: Mapping[str, float | tuple[float, ...]]
    """By name a number, or one number per item in a fixed order, whose mean is the number."""
    edits: tuple[str, ...] = ()
    """Ids of the requests whose edits were in force, in order."""
    status: Status = "ok"
    """"failed" if measuring raised with some of the edits: those were left out."""
    error: str | None = None

    def own(self, kinds: Sequence[str]) -> dict[str, Any]:
        values = {
            name: list(value) if isinstance(value, tuple) else value for name, value in self.values.items()
        }
        return {
            "measure": self.measure,
            "moment": self.moment,
            "values": values,
            "edits": list(self.edits),
            "status": self.status,
            "error": self.error,
        }


_TYPES: Mapping[str, type[StepRecord]] = {
    "apply": Applied, "ask": Asked, "undo": Undone, "restore": Restored, "measure": Measured,
}  # fmt: skip
_KINDS = {cls: kind for kind, cls in _TYPES.items()}


def line_of(record: StepRecord, kinds: Sequence[str]) -> str:
    """One line of predictions.jsonl, with its line feed."""
    head = {"unit": record.unit, "step": record.step, "closes": record.closes, "kind": _KINDS[type(record)]}
    return canonical(head | record.own(kinds)) + "\n"


def parse(line: str, kinds: Sequence[str]) -> StepRecord:
    """The inverse of `line_of`. Raises `BadRecord` naming the field."""
    values = parsed(line)
    kind = values.get("kind") if isinstance(values, dict) else None
    if not isinstance(kind, str) or kind not in _TYPES:
        raise BadRecord(f"kind is {kind!r}, not one of {', '.join(_TYPES)}")
    head: dict[str, Any] = {"unit": str, "step": int, "closes": str | None, "kind": str}
    known: dict[str, dict[str, Any]] = {
        "apply": {"request": str, "status": str, "error": str | None},
        "ask": {
            "case": str, "moment": str, "edits": list, "status": str, "error": str | None, "probes": list,
        },
        "undo": {"request": str},
        "restore": {},
        "measure": {
            "measure": str, "moment": str, "values": dict, "edits": list, "status": str, "error": str | None,
        },
    }  # fmt: skip
    fields = dict(_fields(values, head | known[kind]))
    del fields["kind"]
    if fields["step"] < 0:
        raise BadRecord("step is negative")
    if fields["closes"] not in (None, "segment", "unit"):
        raise BadRecord(f"closes is {fields['closes']!r}, not segment, unit or null")
    if "status" in fields:
        if fields["status"] not in ("ok", "failed"):
            raise BadRecord(f"status is {fields['status']!r}, not ok or failed")
        if (fields["status"] == "ok") != (fields["error"] is None):
            raise BadRecord("status and error contradict each other")
    if "edits" in fields:
        if not all(isinstance(item, str) for item in fields["edits"]):
            raise BadRecord("edits must be a list of ids")
        fields["edits"] = tuple(fields["edits"])
    if kind == "ask":
        fields["probes"] = tuple(_probe(item, kinds) for item in fields["probes"])
        if len({probe.id for probe in fields["probes"]}) < len(fields["probes"]):
            raise BadRecord("two probes bear the same id")
    if kind == "measure":
        if not all(map(named, fields["values"])):
            raise BadRecord("values must have printable names that begin with a letter or digit")
        fields["values"] = {name: _value(value) for name, value in fields["values"].items()}
    return _TYPES[kind](**fields)


class Reader(NamedTuple):
    """What a predictions file holds."""

    segments: tuple[tuple[StepRecord, ...], ...]
    """Complete segments in file order."""
    size: int
    """Bytes they fill; what follows is the tail of a killed writer."""
    torn: int
    """Bytes of that tail."""

    @property
    def units(self) -> tuple[tuple[StepRecord, ...], ...]:
        """The records of each unit, of which the last may lack segments."""
        found: dict[str, list[StepRecord]] = {}
        for segment in self.segments:
            found.setdefault(segment[0].unit, []).extend(segment)
        return tuple(map(tuple, found.values()))


def read_predictions(path: Path, kinds: Sequence[str]) -> Reader:
    """All complete segments of a predictions file; a missing file holds none.

    Raises `BadRecord` naming file and line for anything a killed writer cannot leave behind.
    """
    try:
        data = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        data = b""
    return read_lines(data, kinds, str(path))


def read_lines(data: bytes, kinds: Sequence[str], where: str) -> Reader:
    """`read_predictions` of bytes at hand."""
    segments: list[tuple[StepRecord, ...]] = []
    closed: set[str] = set()
    unit: str | None = None
    begun: list[StepRecord] = []
    size = end = 0
    for number, raw in enumerate(data.split(b"\n")[:-1], start=1):
        end += len(raw) + 1
        try:
            record = parse(raw.decode(), kinds)
            if line_of(record, kinds).encode() != raw + b"\n":
                raise BadRecord("not written as mmedit-bench writes (spaces, order of fields or line ends)")
            if record.unit in closed:
                raise BadRecord(f"unit {record.unit} was already complete")
            if unit is not None and record.unit != unit:
                raise BadRecord(f"expected the next step of unit {unit}")
        except (BadRecord, UnicodeDecodeError) as error:
            raise BadRecord(
                f"{where}, line {number}: {error}. Delete the run's folder and run again."
            ) from None
        begun.append(record)
        unit = None if record.closes == "unit" else record.unit
        if record.closes:
            segments.append(tuple(begun))
            begun, size = [], end
        if record.closes == "unit":
            closed.add(record.unit)
    return Reader(tuple(segments), size, len(data) - size)


def lines_of(records: Iterable[StepRecord], kinds: Sequence[str]) -> bytes:
    """The bytes of these records in predictions.jsonl."""
    return "".join(line_of(record, kinds) for record in records).encode()


def _probe(values: object, kinds: Sequence[str]) -> ProbeRecord:
    if not isinstance(values, dict) or not isinstance(values.get("id"), str):
        raise BadRecord("a probe is an object with an id")
    own = dict(values)
    id = cast(str, own.pop("id"))
    try:
        return ProbeRecord(id, Reading.from_dict(own, kinds))
    except BadRecord as error:
        raise BadRecord(f"probe {id}: {error}") from None


def named(name: str) -> bool:
    """Whether a measured value may be called so: it is shown in terminals and tables."""
    return name[:1].isalnum() and name.isprintable() and len(name) <= LONGEST_NAME


def _value(value: object) -> float | tuple[float, ...]:
    items: list[Any] = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= MOST_ITEMS or not all(map(finite, items)):
        raise BadRecord(f"values must be finite numbers by name, or lists of them, of at most {MOST_ITEMS}")
    # an integer stays one: a record is written as it was read
    return tuple(items) if isinstance(value, list) else cast(float, items[0])


def _fields(values: Mapping[str, Any], types: Mapping[str, Any]) -> Mapping[str, Any]:
    """`values` if it has exactly these fields of these types."""
    if values.keys() != types.keys():
        raise BadRecord(f"expected the fields {', '.join(sorted(types))}; found {', '.join(sorted(values))}")
    for name, kind in types.items():
        wrong_bool = isinstance(values[name], bool)  # a bool is an int to Python
        if wrong_bool or not isinstance(values[name], kind):
            raise BadRecord(f"{name} has the wrong type, {type(values[name]).__name__}")
    return values
