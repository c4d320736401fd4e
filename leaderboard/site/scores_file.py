"""scores.json of a board folder, read back.

Everywhere else scores are computed from answers. A board's were, by whoever admitted the run, and the
file lies where only he writes; to do it again for every build would take hours and say the same.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.runs.files import finite, parsed, read_regular
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring import scores as known
from mmedit_bench.scoring.conflicts import ConflictScores
from mmedit_bench.scoring.rollbacks import RollbackScores
from mmedit_bench.scoring.scores import FILE_NAME, SCHEMA_VERSION, RunScores
from mmedit_bench.scoring.sequence_scores import SequenceScores

_LATER = {
    "ConflictScores": ConflictScores, "RollbackScores": RollbackScores, "SequenceScores": SequenceScores,
}  # fmt: skip
"""Types that the module of scores knows by name only."""
_DERIVED = {"counts": ("no_op_rate",)}
"""What the file says besides the fields, because people want to read it."""


def read_scores(folder: Path) -> RunScores:
    """The scores of an admitted run, without its cost. Raises `BadRecord` naming the file and the field."""
    path = folder / FILE_NAME
    try:
        values = parsed(read_regular(path))
        if not isinstance(values, dict) or values.pop("schema_version", None) != SCHEMA_VERSION:
            raise BadRecord(f"schema_version is not {SCHEMA_VERSION}; admit the run again with this version")
        fingerprint = values.pop("fingerprint", None)
        for name, extra in _DERIVED.items():
            for one in extra:
                values[name].pop(one, None)
        found: RunScores = _made(RunScores, values, "scores")
        if found.spec.fingerprint != fingerprint:
            raise BadRecord("fingerprint is not that of its spec")
    except FileNotFoundError:
        raise BadRecord(f"{path} is not there; admit the run again") from None
    except (BenchError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadRecord(f"{path} cannot be read: {error}") from None
    return found


def _made(kind: Any, value: Any, where: str) -> Any:
    """`value`, which JSON gave, as `kind`. Raises `BadRecord` naming where it does not fit."""
    if kind is RunSpec:
        return RunSpec.from_dict(value)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, value, where)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (one for one in get_args(kind) if one is not type(None))
        return None if value is None else _made(inner, value, where)
    if origin is tuple:
        return tuple(_made(get_args(kind)[0], one, where) for one in _of(list, value, where))
    if origin is not None and issubclass(origin, Mapping):
        inner = get_args(kind)[1]
        return {name: _made(inner, one, f"{where}.{name}") for name, one in _of(dict, value, where).items()}
    if kind is Any:
        return value
    if kind is float:
        if not finite(value):
            raise BadRecord(f"{where} is no finite number")
        return value
    return _of(kind, value, where)


def _dataclass(kind: type, value: Any, where: str) -> Any:
    hints = _hints(kind)
    given = _of(dict, value, where)
    if unknown := sorted(given.keys() - hints.keys()):
        raise BadRecord(f"{where} has unknown fields {', '.join(unknown)}")
    try:
        return kind(**{name: _made(hints[name], one, f"{where}.{name}") for name, one in given.items()})
    except TypeError as error:
        raise BadRecord(f"{where}: {error}") from None


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind, vars(known) | _LATER if kind is RunScores else None)
    return {field.name: hints[field.name] for field in fields(kind)}


def _of(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadRecord(f"{where} has the wrong type, {type(value).__name__}")
    return value
