"""What a run records: one JSON line per `Ask`, and the reader that survives a killed writer.

A writer that dies leaves at most a torn last line or a unit without its last line. The reader drops
both, because the unit will be run again; anything else that is wrong is damage, and an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, cast

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.spec import canonical

Status = Literal["ok", "failed"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a backbone says to one query."""

    answer: str
    argmax: tuple[int, ...]
    """Most likely token at each position of the reference, </s> included, under teacher forcing."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"answer": self.answer, "argmax": list(self.argmax)}

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """The inverse of `as_dict`. Raises `BadRecord`."""
        fields = _fields(values, {"answer": str, "argmax": list})
        return cls(fields["answer"], _ids(fields, "argmax"))


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """One probe's answer with the edits in force, and before any edit."""

    id: str
    answer: str
    argmax: tuple[int, ...]
    target: tuple[int, ...]
    """Token ids of the reference, </s> included: what `argmax` is compared with."""
    before: Reading

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "id": self.id,
            "answer": self.answer,
            "argmax": list(self.argmax),
            "target": list(self.target),
            "before": self.before.as_dict(),
        }

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """The inverse of `as_dict`. Raises `BadRecord`."""
        types = {"id": str, "answer": str, "argmax": list, "target": list, "before": dict}
        fields = _fields(values, types)
        argmax, target = _ids(fields, "argmax"), _ids(fields, "target")
        before = Reading.from_dict(fields["before"])
        if not len(argmax) == len(target) == len(before.argmax):
            raise BadRecord(f"probe {fields['id']}: argmax, target and before.argmax differ in length")
        return cls(fields["id"], fields["answer"], argmax, target, before)


@dataclass(frozen=True, slots=True)
class AskRecord:
    """All answers of one `Ask`."""

    unit: str
    step: int
    """Index of the `Ask` among the unit's steps."""
    case: str
    edits: tuple[str, ...]
    """Ids of the requests whose edits were in force, in order."""
    status: Status
    """"failed" if the editor raised for this case: its probes were asked without its edit."""
    error: str | None
    probes: tuple[ProbeRecord, ...]
    last: bool
    """Whether this is the last `Ask` of its unit."""

    def line(self) -> str:
        """One line of predictions.jsonl, with its line feed."""
        values = {
            "unit": self.unit,
            "step": self.step,
            "case": self.case,
            "edits": list(self.edits),
            "status": self.status,
            "error": self.error,
            "probes": [probe.as_dict() for probe in self.probes],
            "last": self.last,
        }
        return canonical(values) + "\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """The inverse of `line`. Raises `BadRecord` naming the field."""
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadRecord(f"not JSON: {error}") from None
        types = {"unit": str, "step": int, "case": str, "edits": list, "status": str, "probes": list}
        fields = _fields(values, types | {"error": str | None, "last": bool})
        if fields["status"] not in ("ok", "failed"):
            raise BadRecord(f"status is {fields['status']!r}, not ok or failed")
        if (fields["status"] == "ok") != (fields["error"] is None):
            raise BadRecord("status and error contradict each other")
        if not all(isinstance(item, str) for item in fields["edits"]):
            raise BadRecord("edits must be a list of ids")
        probes = tuple(ProbeRecord.from_dict(item) for item in fields["probes"])
        if len({probe.id for probe in probes}) < len(probes):
            raise BadRecord("two probes bear the same id")
        return cls(
            unit=fields["unit"],
            step=fields["step"],
            case=fields["case"],
            edits=tuple(fields["edits"]),
            status=cast(Status, fields["status"]),
            error=fields["error"],
            probes=probes,
            last=fields["last"],
        )


class Reader(NamedTuple):
    """What a predictions file holds."""

    units: tuple[tuple[AskRecord, ...], ...]
    """Complete units in file order."""
    size: int
    """Bytes they fill; what follows is the tail of a killed writer."""
    torn: int
    """Bytes of that tail."""


def read_predictions(path: Path) -> Reader:
    """All complete units of a predictions file; a missing file holds none.

    Raises `BadRecord` naming file and line for anything a killed writer cannot leave behind.
    """
    data = path.read_bytes() if path.exists() else b""
    units: list[tuple[AskRecord, ...]] = []
    names: set[str] = set()
    open_unit: list[AskRecord] = []
    size = end = 0
    for number, raw in enumerate(data.split(b"\n")[:-1], start=1):
        end += len(raw) + 1
        try:
            record = AskRecord.parse(raw.decode())
            if record.unit in names:
                raise BadRecord(f"unit {record.unit} was already complete")
            if open_unit and (record.unit, record.step > open_unit[-1].step) != (open_unit[-1].unit, True):
                raise BadRecord(f"expected the next ask of unit {open_unit[-1].unit}")
        except (BadRecord, UnicodeDecodeError) as error:
            fix = "Delete the run's folder and run again."
            raise BadRecord(f"{path}, line {number}: {error}. {fix}") from None
        open_unit.append(record)
        if record.last:
            units.append(tuple(open_unit))
            names.add(record.unit)
            open_unit, size = [], end
    return Reader(tuple(units), size, len(data) - size)


def lines_of(records: Iterable[AskRecord]) -> bytes:
    """The bytes of these records in predictions.jsonl."""
    return "".join(record.line() for record in records).encode()


def _fields(values: object, types: Mapping[str, Any]) -> dict[str, Any]:
    """`values` if it is an object with exactly these fields of these types."""
    if not isinstance(values, dict):
        raise BadRecord(f"expected an object, found {type(values).__name__}")
    if values.keys() != types.keys():
        raise BadRecord(f"expected the fields {', '.join(sorted(types))}; found {', '.join(sorted(values))}")
    for name, kind in types.items():
        wrong_bool = isinstance(values[name], bool) and kind is not bool  # a bool is an int to Python
        if wrong_bool or not isinstance(values[name], kind):
            raise BadRecord(f"{name} has the wrong type, {type(values[name]).__name__}")
    return values


def _ids(fields: Mapping[str, Any], name: str) -> tuple[int, ...]:
    if not all(type(item) is int for item in fields[name]):
        raise BadRecord(f"{name} must be a list of token ids")
    return tuple(fields[name])
