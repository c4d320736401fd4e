"""All that is wrong with one run of a submission, as far as it can be told without a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.plugins.registry import BACKBONES
from mmedit_bench.protocols.steps import EditingProtocol, Unit, options_of, schedule_of
from mmedit_bench.runs.doubles import refuse_doubles
from mmedit_bench.runs.evidence import DEFAULT, KINDS
from mmedit_bench.runs.folder import Manifest, RunState
from mmedit_bench.runs.records import Applied, StepRecord
from mmedit_bench.scoring.checking import data_problems, measure_problems, protocol_of, schedule_problems
from mmedit_bench.submissions.checks_records import Line, at_most, predictions_problems, timing_problems
from mmedit_bench.submissions.hostile import Contents
from mmedit_bench.submissions.problems import Problem

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

Suites = Callable[[str], "Suite"]
"""The suite of a name. Raises `BenchError` for a name that nobody bears."""

SPLIT = "evaluation"
"""The split that a board's numbers are of."""
MOST_STEPS = 1_000_000
"""Asks that a manifest may announce."""

MOST_BATCH, MOST_THREADS = 4096, 256
MEASURE = "lm-eval"
"""The measure that a board takes."""

_DEVICES = frozenset({"cpu", "cuda", "mps", "xpu"})
_DTYPES = frozenset({"float32", "bfloat16", "float16"})
_TASK = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_AGAIN = "run again with the data and the version of mmedit-bench that the board asks for"


@dataclass(frozen=True, slots=True)
class ExaminedRun:
    """A run whose manifest could be read and followed."""

    folder: str
    """Its name under runs/."""
    manifest: Manifest
    suite: Suite
    schedule: tuple[Unit, ...]
    records: tuple[StepRecord, ...]
    """Those that can be read, in the order of the file."""

    @property
    def state(self) -> RunState:
        """As `runs.folder.read_run` would give it."""
        segments: list[tuple[StepRecord, ...]] = []
        begun: list[StepRecord] = []
        for record in self.records:
            begun.append(record)
            if record.closes:
                segments.append(tuple(begun))
                begun = []
        return RunState(self.manifest, tuple(segments))

    @property
    def failed(self) -> frozenset[tuple[str, int]]:
        """Unit and step of the edits that could not be made."""
        return frozenset(
            (record.unit, record.step)
            for record in self.records
            if isinstance(record, Applied) and record.status == "failed"
        )


def examined_run(
    contents: Contents, folder: str, suites: Suites, editor: str | None
) -> tuple[ExaminedRun | None, list[Problem]]:
    """One run as far as it can be followed, and all that is wrong with it.

    `editor` is the one submitted, None where that could not be read.
    """
    at = f"runs/{folder}"
    manifest, problems = _manifest(contents, f"{at}/manifest.json")
    if manifest is None:
        return None, problems
    problems += _spec_problems(manifest, at, editor)
    try:
        suite = suites(manifest.spec.suite)
        data = list(data_problems(manifest.spec, suite))
    except BenchError as error:
        return None, [*problems, Problem("suite", f"{at}/manifest.json#spec.suite", str(error), _AGAIN)]
    if data:
        return None, [
            *problems,
            *(Problem("suite", f"{at}/manifest.json#spec", text, _AGAIN) for text in data),
        ]
    schedule, more = _schedule(manifest, suite, at)
    problems += more
    if schedule is None:
        return None, problems
    where = f"{at}/predictions.jsonl"
    lines: list[Line] = []
    if where in contents.texts:
        told = predictions_problems(contents.texts[where], manifest.spec.evidence, schedule, where, lines)
        problems += at_most(told, where)
    records = tuple(line.record for line in lines)
    where = f"{at}/timings.jsonl"
    if where in contents.texts:
        problems += at_most(timing_problems(contents.texts[where], schedule, where), where)
    return ExaminedRun(folder, manifest, suite, schedule, records), problems


def _manifest(contents: Contents, where: str) -> tuple[Manifest | None, list[Problem]]:
    if where not in contents.texts:
        return None, []  # missing or unreadable: told already
    try:
        refuse_doubles(contents.texts[where])
        return Manifest.parse(contents.texts[where], where), []
    except (BadRecord, RecursionError, OverflowError) as error:
        said = str(error)[:500] or type(error).__name__
        text = f"{said}; its run was not looked at any further"
        return None, [Problem("manifest", where, text, "run again; a manifest is not written by hand")]


def _spec_problems(manifest: Manifest, at: str, editor: str | None) -> Iterator[Problem]:
    """What a spec says that no submission may."""
    spec, where = manifest.spec, f"{at}/manifest.json#spec"
    if at != f"runs/{spec.folder_name}":
        yield Problem("folder-name", at, f"its manifest is that of {spec.folder_name}", "rename the folder")
    if editor is not None and spec.editor != editor:
        yield Problem(
            "editor", f"{where}.editor", f"it is {spec.editor}, not {editor}", "submit its own runs"
        )
    if spec.split != SPLIT:
        yield Problem("split", f"{where}.split", f"it is {spec.split[:60]!r}", f"run the split {SPLIT!r}")
    if spec.backbone not in BACKBONES.names():
        known = ", ".join(BACKBONES.names())
        yield Problem("backbone", f"{where}.backbone", f"{spec.backbone} is unknown here", f"known: {known}")
    if not set(DEFAULT) <= set(spec.evidence) <= set(KINDS):
        yield Problem("evidence", f"{where}.evidence", "it is not what a run records", _AGAIN)
    for name, fits in (
        ("device", _is_device(spec.device)),
        ("dtype", spec.dtype in _DTYPES),
        ("batch_size", 1 <= spec.batch_size <= MOST_BATCH),
        ("threads", 0 <= spec.threads <= MOST_THREADS),
    ):
        if not fits:
            yield Problem("device", f"{where}.{name}", "nobody could run it so", "run it on usual terms")
    measures = spec.protocol_options.get("measures")
    if measures and not _measures_by_name(measures):
        yield Problem(
            "measure", f"{where}.protocol_options.measures",
            "a measure is taken by the names of its tasks alone: files of a stranger can hold code",
            f"take {MEASURE} with tasks that are known by name, with limit and num_fewshot at most",
        )  # fmt: skip


def _is_device(name: str) -> bool:
    """Whether this is what a run writes: a kind of device, or those that a model is spread over."""
    kinds = name.split("+")
    return _DEVICES.issuperset(kinds) and kinds == sorted(set(kinds))


def _measures_by_name(measures: object) -> bool:
    """Whether measures are such as a board's side can take without reading a file that they name."""
    if not isinstance(measures, dict) or set(measures) != {MEASURE}:
        return False
    options = measures[MEASURE] or {}
    if not isinstance(options, dict) or not set(options) <= {"tasks", "limit", "num_fewshot"}:
        return False
    tasks = options.get("tasks") or []
    return all(
        isinstance(task, str) and _TASK.fullmatch(task)
        for task in (tasks if isinstance(tasks, list) else [tasks])
    )


def _schedule(manifest: Manifest, suite: Suite, at: str) -> tuple[tuple[Unit, ...] | None, list[Problem]]:
    """The schedule made anew for the cases that the manifest names; which ones they are is seen later."""
    spec, where = manifest.spec, f"{at}/manifest.json"
    own = suite.cases(spec.split)
    by_id = {case.id: case for case in own}
    kept = manifest.selection
    if strange := [id for id in kept.cases if id not in by_id]:
        text = f"{len(strange)} of its cases are not the suite's, the first {strange[0][:80]!r}"
        return None, [Problem("cases", f"{where}#selection.cases", text, _AGAIN)]
    problems = list(_selection_problems(manifest, own, where))
    try:
        protocol = protocol_of(spec)
        told = measure_problems(spec, protocol)
        problems += [Problem("protocol", f"{where}#spec.measures", text, _AGAIN) for text in told]
        few = _Few(protocol, manifest.units, manifest.asks)
        schedule = schedule_of(few, [by_id[id] for id in kept.cases], spec.seed)
    except BenchError as error:
        return None, [*problems, Problem("protocol", f"{where}#spec.protocol", str(error)[:500], _AGAIN)]
    told = schedule_problems(manifest, schedule)
    problems += [Problem("schedule", f"{where}#units", text, _AGAIN) for text in told]
    return schedule, problems


def _selection_problems(manifest: Manifest, own: Sequence[EditCase], where: str) -> Iterator[Problem]:
    """What no selection can be, whatever the unedited backbone said."""
    kept, limit = manifest.selection, manifest.spec.limit
    place = {case.id: number for number, case in enumerate(own)}
    order = [place[id] for id in kept.cases]
    full = limit is not None and kept.kept == limit
    if order != sorted(set(order)):
        yield Problem("cases", f"{where}#selection.cases", "they are not in the suite's order", _AGAIN)
    if limit is not None and kept.kept > limit:
        yield Problem("cases", f"{where}#selection", f"it keeps more than the limit of {limit}", _AGAIN)
    if kept.considered - kept.already_right != kept.kept or (
        order and kept.considered != (order[-1] + 1 if full else len(own))
    ):
        yield Problem("cases", f"{where}#selection", "its numbers of cases contradict each other", _AGAIN)


class _Few:
    """A protocol that stops once it asks more than a manifest announces: a stranger chose its options."""

    def __init__(self, protocol: EditingProtocol, units: int, asks: int) -> None:
        self.name, self.version, self.options = protocol.name, protocol.version, options_of(protocol)
        self._protocol, self._units, self._asks = protocol, units, min(asks, MOST_STEPS)

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        asks = 0
        for number, unit in enumerate(self._protocol.units(cases, seed)):
            asks += len(unit.asks)
            if number >= self._units or asks > self._asks:
                raise BadRecord(
                    f"it asks for more than the {self._units} units and {self._asks} asks that are announced"
                )
            yield unit
