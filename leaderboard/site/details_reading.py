"""What a run answered at the end of its units, in arrays: how it came out, text by text and edit by edit.

A board of hundreds of runs is read in as many processes as there are cores, and each gives back a few
hundred kilobytes of its run. The records were checked when the run was admitted; here they are only
read, and never believed to be more than text.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmedit_bench.cases import KEEP_KINDS
from mmedit_bench.errors import BadRecord
from mmedit_bench.protocols.steps import END
from mmedit_bench.runs.baseline import BaseProbe
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.files import MOST_BYTES
from mmedit_bench.scoring.families import HEADLINE_FAMILY, families
from mmedit_bench.scoring.metrics import Seen
from mmedit_bench.scoring.normalize import normalize

FAMILIES = (HEADLINE_FAMILY, "teacher_forced_token")
"""The headline, and the measurement that the paper's numbers are of."""

GOOD, RIGHT, FAILED = 1, 2, 4
"""Bits of an outcome. GOOD: as the edit wants it. RIGHT: the reference is said. FAILED: the edit could not
be made. Of a probe whose kind is secret GOOD says that the answer stayed, and RIGHT that it is the target."""
NOT_ASKED = 255

LONGEST_ANSWER = 400
"""Characters of an answer that are published; the run's records hold all of it."""
SMALL = 16 << 20
"""Bytes of records below which starting processes takes longer than reading."""

Floats = NDArray[np.float64]
Key = tuple[str, str]
"""Unit and case: one edit in one place of the schedule."""


class Wanted(NamedTuple):
    """One probe of a case, and what is known of it."""

    id: str
    column: int
    """Place among the block's columns; -1 where its kind is secret."""
    kind: str
    reference: str
    """What would be right; the edit's target where the kind is secret."""
    base: BaseProbe
    """What the unedited backbone says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the runs that share a baseline were asked, by case in the order of the records."""

    columns: tuple[str, ...]
    probes: Mapping[str, tuple[Wanted, ...]]


@dataclass(slots=True)
class Answered:
    """One run. `texts` are its distinct answers; arrays are flat, probes of a row side by side."""

    rows: list[Key] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    answers: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """Place in `texts`, for each probe of each row."""
    outcomes: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    errors: dict[int, str] = field(default_factory=dict)
    """Why an edit failed, by row."""
    values: dict[str, Floats] = field(default_factory=dict)
    """By family [rows, columns]: the mean over an edit's probes of a column, NaN where there is none."""


def read_all(runs: Sequence[tuple[Path, int]], groups: Sequence[Asked]) -> list[Answered]:
    """The runs of a block, in order: each a records file, packed or not, and the group that it belongs to.

    Raises `BadRecord` naming the file and line that is no record of its group.
    """
    if sum(path.stat().st_size for path, _ in runs) < SMALL or len(runs) < 2:
        return [read(path, groups[group]) for path, group in runs]
    workers = min(len(os.sched_getaffinity(0)), len(runs))
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (tuple(groups),)) as pool:
        return list(pool.map(_read, runs, chunksize=max(1, len(runs) // (8 * workers))))


_groups: Sequence[Asked] = ()


def _begin(groups: Sequence[Asked]) -> None:
    global _groups
    _groups = groups


def _read(run: tuple[Path, int]) -> Answered:
    return read(run[0], _groups[run[1]])


def read(path: Path, asked: Asked) -> Answered:
    """One run. Raises `BadRecord` naming the file and the line."""
    found, failed = Answered(), dict[Key, str]()
    place: dict[str, int] = {}
    answers: list[int] = []
    outcomes: list[int] = []
    sums: dict[str, list[list[float]]] = {}
    for number, raw in enumerate(_lines(path), start=1):
        try:
            record = json.loads(raw)
            if record["kind"] == "apply" and record["error"]:
                failed[record["unit"], record["request"]] = record["error"]
            if record["kind"] != "ask" or record["moment"] != END:
                continue
            key = record["unit"], record["case"]
            error = record["error"] or failed.get(key)
            if error:
                found.errors[len(found.rows)] = error[:LONGEST_ANSWER]
            found.rows.append(key)
            probes = asked.probes[record["case"]]
            for wanted, probe in zip(probes, record["probes"], strict=True):
                if wanted.id != probe["id"]:
                    raise BadRecord(f"expected probe {wanted.id}")
                answer = probe["answer"]
                answers.append(place.setdefault(_short(answer), len(place)))
                outcomes.append(_outcome(answer, wanted) | (FAILED if error else 0))
            for family, row in _values(probes, record["probes"], len(asked.columns)).items():
                sums.setdefault(family, []).append(row)
        except (BadRecord, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise BadRecord(f"{path}, line {number}: {type(problem).__name__}: {problem}") from None
    found.texts = list(place)
    found.answers = np.array(answers, np.int32)
    found.outcomes = np.array(outcomes, np.uint8)
    found.values = {family: np.array(rows) for family, rows in sums.items()}
    return found


def _lines(path: Path) -> Iterator[bytes]:
    size = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for raw in file:
                size += len(raw)
                if size > MOST_BYTES:
                    raise BadRecord(f"{path} holds more than {MOST_BYTES} bytes")
                yield raw
    except (EOFError, OSError) as error:
        raise BadRecord(f"{path} cannot be read: {error}") from None


def _short(answer: str) -> str:
    return answer if len(answer) <= LONGEST_ANSWER else answer[: LONGEST_ANSWER - 1] + "…"


def _outcome(answer: str, wanted: Wanted) -> int:
    said = normalize(answer)
    right = said == normalize(wanted.reference)
    if wanted.column < 0 or wanted.kind in KEEP_KINDS:
        good = said == normalize(wanted.base.reading.answer)
    else:
        good = right
    return GOOD * good + RIGHT * right


def _values(probes: Sequence[Wanted], records: Sequence[Any], width: int) -> dict[str, list[float]]:
    """By family the edit's value in each column, as `scoring.edit_values` has it."""
    found = {}
    for name in FAMILIES:
        family = families()[name]
        sums, counts = [0.0] * width, [0] * width
        for wanted, record in zip(probes, records, strict=True):
            if wanted.column < 0:
                continue
            value = _value(family.metric(wanted.kind), wanted, record)
            sums[wanted.column] += value
            counts[wanted.column] += 1
        found[name] = [total / count if count else np.nan for total, count in zip(sums, counts, strict=True)]
    return found
