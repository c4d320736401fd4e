"""All that is wrong with the records of a run, line by line.

`runs.records` reads what a run of our own left, and stops at the first line that is no record. Here
a stranger wrote them, and wants to know of every one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.protocols.steps import Ask, Unit
from mmedit_bench.runs.doubles import parsed, refuse_doubles
from mmedit_bench.runs.files import finite
from mmedit_bench.runs.records import Asked, Closes, Measured, StepRecord, line_of, parse
from mmedit_bench.scoring.checking import probe_problems, step_problem
from mmedit_bench.submissions.limits import MOST_FILE
from mmedit_bench.submissions.problems import Problem

MOST_ANSWER = 4096
"""Characters of an answer: as many as the process of an isolated editor may give."""
LONGEST_SECONDS = 1e7
"""Seconds that a step may have taken: four months."""
MOST_LISTED = 1000
"""Problems of one kind that are listed of one file."""
MOST_LINES = MOST_FILE // 64
"""Lines of a file: those that a run writes have more than 64 bytes on average."""
LARGEST = 1e50
"""Size of a measured number: beyond all that is summed of single-precision numbers, and yet so small that
no sum over items, units or resamples overflows."""

_REST = "mend those that are listed"
"""What to do about problems that are counted and not listed."""
_AGAIN = "run again; nothing in a record is written by hand"
_CODES = (
    ("is no JSON number", "not-finite"),
    ("finite numbers", "not-finite"),
    ("must be a text of at most", "giant-answer"),
    ("bear the same id", "duplicate-id"),
    ("stands twice", "duplicate-field"),
)
"""By words of a `BadRecord`, the code of what it tells."""


class Line(NamedTuple):
    """A record with the number of its line."""

    number: int
    record: StepRecord


@dataclass(frozen=True, slots=True)
class Planned:
    """A step of the schedule."""

    unit: Unit
    step: int
    closes: Closes


def predictions_problems(
    data: bytes, kinds: Sequence[str], schedule: Sequence[Unit], where: str, lines: list[Line]
) -> Iterator[Problem]:
    """All that is wrong with a predictions file; the records that can be read are added to `lines`."""
    whole = True
    for one in read_all(data, kinds, where):
        if isinstance(one, Line):
            lines.append(one)
        else:
            whole = False
            yield one
    yield from record_problems(lines, schedule, where, whole=whole)


def read_all(data: bytes, kinds: Sequence[str], where: str) -> Iterator[Line | Problem]:
    """Of each line of a predictions file its record, or what is wrong with it."""
    if problem := _too_long(data, where):
        yield problem
        return
    for number, raw in enumerate(BytesIO(data), start=1):
        if not raw.endswith(b"\n"):
            yield Problem("torn", f"{where}:{number}", "its last line does not end", "finish the run")
            return
        try:
            text = raw[:-1].decode()
            refuse_doubles(text)
            record = parse(text, kinds)
            if line_of(record, kinds).encode() != raw:
                raise BadRecord("it is not written as mmedit-bench writes (spaces, order, line ends)")
        except (BenchError, ValueError, RecursionError) as error:
            said = re.sub(r"[^ -~]", "?", str(error))[:300]
            code = next((code for words, code in _CODES if words in said), "record")
            yield Problem(code, f"{where}:{number}", said, _AGAIN)
        else:
            yield Line(number, record)


def _too_long(data: bytes, where: str) -> Problem | None:
    """A file of more lines than any run writes is not read: each line would cost the time of an error."""
    count = data.count(b"\n")
    if count <= MOST_LINES:
        return None
    return Problem(
        "too-large", where, f"it has {count} lines and was not read", f"a file has at most {MOST_LINES} lines"
    )


def planned(schedule: Sequence[Unit]) -> dict[tuple[str, int], Planned]:
    """The steps of a schedule by unit and index, in order."""
    found: dict[tuple[str, int], Planned] = {}
    for unit in schedule:
        ends = {segment[-1] for segment in unit.segments}
        last = len(unit.steps) - 1
        for index in range(len(unit.steps)):
            closes: Closes = "unit" if index == last else "segment" if index in ends else None
            found[unit.id, index] = Planned(unit, index, closes)
    return found


def record_problems(
    lines: Sequence[Line], schedule: Sequence[Unit], where: str, *, whole: bool
) -> Iterator[Problem]:
    """How records differ from a schedule: strangers, doubles, holes, order, and each one by itself.

    `whole`: no line is missing from `lines` because it could not be read.
    """
    wanted = planned(schedule)
    place = {key: number for number, key in enumerate(wanted)}
    kept: dict[tuple[str, int], Line] = {}
    latest = -1
    for line in lines:
        key = (line.record.unit, line.record.step)
        at, name = f"{where}:{line.number}", f"step {line.record.step} of unit {line.record.unit[:80]!r}"
        if key not in wanted:
            yield Problem("extra-id", at, f"{name} is not in the schedule", _AGAIN)
        elif key in kept:
            text = f"{name} stands here and in line {kept[key].number}"
            yield Problem("duplicate-id", at, text, "answer each step once: run again")
        else:
            kept[key] = line
            if place[key] < latest:
                yield Problem("order", at, f"{name} comes too late", _AGAIN)
            latest = max(latest, place[key])
    if whole:
        holes: defaultdict[str, list[int]] = defaultdict(list)
        for unit_id, step in wanted.keys() - kept.keys():
            holes[unit_id].append(step)
        for unit in schedule:
            if steps := sorted(holes.get(unit.id, ())):
                told = ", ".join(map(str, steps[:8])) + (", …" if len(steps) > 8 else "")
                yield Problem(
                    "missing-id", where, f"unit {unit.id} lacks the steps {told}",
                    "finish the run: the same command goes on where it was stopped",
                )  # fmt: skip
    failed: defaultdict[str, set[int]] = defaultdict(set)
    for key, plan in wanted.items():
        if key in kept:
            yield from _one(kept[key], plan, failed[plan.unit.id], where)
    yield from measured_problems(lines, where)


def measured_problems(lines: Sequence[Line], where: str) -> Iterator[Problem]:
    """Why measured values cannot be scored: numbers that overflow, or not the same items throughout."""
    first: dict[tuple[str, str], tuple[int, int]] = {}
    for number, record in lines:
        if not isinstance(record, Measured):
            continue
        for name, value in record.values.items():
            at, told = f"{where}:{number}", f"values.{name[:80]} of the measure {record.measure[:80]}"
            items = value if isinstance(value, tuple) else (value,)
            if any(abs(item) > LARGEST for item in items):
                yield Problem("measured", at, f"{told} holds a number beyond {LARGEST:g}", _AGAIN)
            line, count = first.setdefault((record.measure, name), (number, len(items)))
            if len(items) != count:
                text = f"{told} has {len(items)} items, and {count} in line {line}"
                yield Problem("measured", at, text, "measure the same items every time: run again")


def _one(line: Line, planned: Planned, failed: set[int], where: str) -> Iterator[Problem]:
    """What is wrong with a record that stands for a step."""
    at, record = f"{where}:{line.number}", line.record
    if problem := step_problem(record, planned.unit, planned.closes, failed):
        yield Problem("step", at, problem, _AGAIN)
    step = planned.unit.steps[planned.step]
    if isinstance(record, Asked) and isinstance(step, Ask):
        if record.case == step.case.id:
            for code, text in probe_problems(record, [probe.id for probe in step.case.probes]):
                yield Problem(code, at, text, _AGAIN)
        for probe in record.probes:
            if len(probe.reading.answer) > MOST_ANSWER:
                yield Problem(
                    "giant-answer", at, f"probe {probe.id[:80]} is answered by {len(probe.reading.answer)} "
                    "characters", f"answer with at most {MOST_ANSWER}",
                )  # fmt: skip
            if any(number > 0 for number in probe.reading.logprobs or ()):
                yield Problem(
                    "probability", at, f"probe {probe.id[:80]} has a token more likely than certain", _AGAIN
                )
            if any(abs(number) > LARGEST for number in probe.reading.kl or ()):
                text = f"kl of probe {probe.id[:80]} holds a number beyond {LARGEST:g}"
                yield Problem("measured", at, text, _AGAIN)


def timing_problems(data: bytes, schedule: Sequence[Unit], where: str) -> Iterator[Problem]:
    """What no run notes of its costs. A line that a killed writer left torn is passed over, as by `score`."""
    if problem := _too_long(data, where):
        yield problem
        return
    wanted = {(unit.id, index) for unit in schedule for index in range(len(unit.steps))}
    for number, raw in enumerate(BytesIO(data), start=1):
        at = f"{where}:{number}"
        try:
            values = parsed(raw)
        except BadRecord as error:
            said = str(error)
            if code := next((code for words, code in _CODES if words in said), None):
                yield Problem(code, at, said[:300], "remove the line")
            continue
        if not isinstance(values, dict) or _key(values) not in wanted:
            yield Problem("timings", at, "it is of no step of the schedule", "remove the line")
            continue
        for name, value in values.items():
            if name in ("unit", "step", "case", "peak_of") or value is None:
                continue
            most = LONGEST_SECONDS if name.endswith("seconds") else float(1 << 53)
            if not finite(value) or not 0 <= value <= most:
                yield Problem("timings", at, f"{name[:60]!r} is no sensible number", "remove the line")


def _key(values: dict[str, Any]) -> tuple[str, int] | None:
    unit, step = values.get("unit"), values.get("step")
    return (unit, step) if isinstance(unit, str) and type(step) is int else None


def at_most(problems: Iterable[Problem], where: str | None = None) -> Iterator[Problem]:
    """The first `MOST_LISTED` of each code, and how many more there are, which are counted as they come.

    All count as of the file `where`; without it each counts as of the file that it names, and what
    already says how many more there are stays.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for problem in problems:
        if where is None and problem.fix == _REST:
            yield problem
            continue
        key = problem.code, _file_of(problem.where) if where is None else where
        counts[key] += 1
        if counts[key] <= MOST_LISTED:
            yield problem
    for (code, file), count in counts.items():
        if count > MOST_LISTED:
            yield Problem(code, file, f"there are {count - MOST_LISTED} more of the same", _REST)


def _file_of(where: str) -> str:
    """The file of file[:line] or file#field."""
    file = where.partition("#")[0]
    head, _, line = file.rpartition(":")
    return head if head and line.isdigit() else file
