"""What a run answered at the end of its units, in arrays: how it came out, text by text and edit by edit.

A board of hundreds of runs is read by several processes, and each gives back a few hundred kilobytes
for a run. The records were checked when the run was admitted; here they are only read, and never
believed to be more than text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leaderboard.site.entries import objects_of
from mmedit_bench.cases import KEEP_KINDS
from mmedit_bench.errors import BadRecord
from mmedit_bench.protocols.steps import END
from mmedit_bench.runs.evidence import ARGMAX, Reading
from mmedit_bench.scoring.families import HEADLINE_FAMILY, families
from mmedit_bench.scoring.metrics import Seen
from mmedit_bench.scoring.normalize import normalize

FORCED = "teacher_forced_token"
"""The measurement that the paper's numbers are of; beside it the headline's is compared."""

GOOD, RIGHT, FAILED, BEFORE = 1, 2, 4, 8
"""Bits of an outcome. GOOD: as the edit wants it. RIGHT: the reference is said. FAILED: the edit could not
be made. BEFORE: the unedited backbone said the reference. Of a probe whose kind is secret GOOD says that the
answer stayed, and the reference is the edit's target."""

LONGEST_ANSWER = 400
"""Characters of an answer that are published; the run's records hold all of it."""
MOST_KNOWN = 300_000
"""Judgements that are remembered before all are forgotten: bounds the memory of a long build."""
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
    target: tuple[int, ...]
    """Token ids of the reference."""
    before: Reading
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


def read_all(runs: Sequence[tuple[Path, int]], groups: Sequence[Asked], workers: int = 1) -> list[Answered]:
    """The runs of a block, in order: each a packed records file, and the group that it belongs to.

    Raises `BadRecord` naming the file and line that is no record of its group.
    """
    try:
        size = sum(path.stat().st_size for path, _ in runs)
    except FileNotFoundError as error:
        raise BadRecord(f"{error.filename} is not there; admit the run again") from None
    workers = min(workers, len(runs))
    if workers < 2 or size < SMALL:
        judges = [_Judge() for _ in groups]
        return [read(path, groups[group], judges[group]) for path, group in runs]
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (tuple(groups),)) as pool:
        return list(pool.map(_read, runs, chunksize=max(1, len(runs) // (8 * workers))))


_groups: Sequence[Asked] = ()
_judges: Sequence[_Judge] = ()


def _begin(groups: Sequence[Asked]) -> None:
    global _groups, _judges
    _groups, _judges = groups, [_Judge() for _ in groups]


def _read(run: tuple[Path, int]) -> Answered:
    return read(run[0], _groups[run[1]], _judges[run[1]])


def read(path: Path, asked: Asked, judge: _Judge | None = None) -> Answered:
    """One run. Raises `BadRecord` naming the file and the line."""
    judge = judge or _Judge()
    found, failed = Answered(), dict[Key, str]()
    place: dict[str, int] = {}
    answers: list[int] = []
    outcomes: list[int] = []
    free: list[list[float]] = []
    forced: list[list[float]] = []
    for number, record in enumerate(objects_of(path), start=1):
        try:
            if record["kind"] == "apply" and record["error"]:
                failed[record["unit"], record["request"]] = record["error"]
            if record["kind"] != "ask" or record["moment"] != END:
                continue
            key = record["unit"], record["case"]
            error = record["error"] or failed.get(key)
            if error:
                found.errors[len(found.rows)] = error[:LONGEST_ANSWER]
            found.rows.append(key)
            probes, width = asked.probes[record["case"]], len(asked.columns)
            judged = [judge(wanted, probe) for wanted, probe in zip(probes, record["probes"], strict=True)]
            answers += [place.setdefault(_short(probe["answer"]), len(place)) for probe in record["probes"]]
            outcomes += [outcome | FAILED if error else outcome for outcome, _ in judged]
            free.append(_means(probes, [float(outcome & GOOD) for outcome, _ in judged], width))
            forced.append(_means(probes, [value for _, value in judged], width))
        except (BadRecord, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise BadRecord(f"{path}, line {number}: {type(problem).__name__}: {problem}") from None
    found.texts = list(place)
    found.answers = np.array(answers, np.int32)
    found.outcomes = np.array(outcomes, np.uint8)
    found.values = {HEADLINE_FAMILY: np.array(free), FORCED: np.array(forced)}
    return found


def _short(answer: str) -> str:
    return answer if len(answer) <= LONGEST_ANSWER else answer[: LONGEST_ANSWER - 1] + "…"


def _outcome(answer: str, wanted: Wanted) -> int:
    said, before, reference = map(normalize, (answer, wanted.before.answer, wanted.reference))
    right = said == reference
    good = said == before if wanted.column < 0 or wanted.kind in KEEP_KINDS else right
    return GOOD * good + RIGHT * right + BEFORE * (before == reference)


class _Judge:
    """How answers come out; what many editors say to one probe is judged once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, tuple[int, ...] | None], tuple[int, float]] = {}
        self._forced = families()[FORCED]

    def __call__(self, wanted: Wanted, record: Mapping[str, Any]) -> tuple[int, float]:
        """The outcome, and the value under teacher forcing: NaN where there is no such reading."""
        argmax = record.get(ARGMAX)
        key = (wanted.id, record["answer"], None if argmax is None else tuple(argmax))
        found = self._known.get(key)
        if found is None:
            if wanted.id != record["id"]:
                raise BadRecord(f"expected probe {wanted.id}, found {record['id']}")
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = _outcome(key[1], wanted), self._value(wanted, key[1], key[2])
        return found

    def _value(self, wanted: Wanted, answer: str, argmax: tuple[int, ...] | None) -> float:
        if argmax is None or wanted.column < 0:
            return np.nan
        seen = Seen(
            wanted.kind, wanted.reference, wanted.target, Reading(answer, argmax=argmax), wanted.before
        )
        value = self._forced.metric(wanted.kind).of(seen)
        return np.nan if value is None else value


def _means(probes: Sequence[Wanted], values: Sequence[float], width: int) -> list[float]:
    """An edit's value in each column, as `scoring.edit_values` has it."""
    sums, counts = [0.0] * width, [0] * width
    for wanted, value in zip(probes, values, strict=True):
        if wanted.column >= 0:
            sums[wanted.column] += value
            counts[wanted.column] += 1
    return [total / count if count else np.nan for total, count in zip(sums, counts, strict=True)]
