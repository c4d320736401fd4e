"""Whether one backbone can be edited on one data set here, and what each editor would need for it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from mmedit_bench.datasets.suite import TRAIN
from mmedit_bench.errors import BenchError
from mmedit_bench.execution.diagnosis import MOST_PROBLEMS, Finding, machine, some_probes, stability_of
from mmedit_bench.execution.needs import GB, Needs, Room, needs, room
from mmedit_bench.execution.order import EVALUATION, Order
from mmedit_bench.execution.parts import Parts
from mmedit_bench.execution.presence import (
    PAPER_BACKBONES,
    Weights,
    data_of,
    data_problems,
    published_row,
    suites_of,
    weights_of,
)
from mmedit_bench.harness.artefacts import default_folder
from mmedit_bench.plugins.registry import BACKBONES, EDITORS

if TYPE_CHECKING:
    from mmedit_bench.cases import EditCase, Probe

CHEAP = ("ft", "copy-target")
"""Editors of which the first that is there makes the edit of the round trip."""
STAND_INS = ("picturebook-vqa", "picturebook-caption")
"""Suites whose texts are taken where those of the data are not here."""
F = TypeVar("F")


@dataclass(slots=True)
class Examination:
    """One backbone, as `order` names it, on all suites of a data set, or on one suite."""

    order: Order
    """Its suite is not looked at."""
    data: str
    editors: tuple[str, ...] = ()
    probes: int = 48
    suites: tuple[str, ...] = field(init=False)
    failed: list[str] = field(init=False, default_factory=list)
    _parts: Parts = field(init=False, default_factory=Parts)
    _files: Weights | None = field(init=False, default=None)
    _backbone: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Raises `UnknownName` for a backbone, data set or editor that nobody registered."""
        published_row(self.order.backbone)
        self.suites = suites_of(self.data)
        for name in self.editors:
            EDITORS.entry(name)

    def findings(self) -> Iterator[Finding | Needs]:
        """All that is found, as it comes; the table among it. Nothing is downloaded."""
        for found in self._found():
            if isinstance(found, Finding) and found.status == "fail":
                self.failed.append(found.name)
            yield found

    def command(self) -> str:
        """What to run next."""
        order = self.order
        words = [f"--device {order.device}", f"--dtype {order.dtype}"]
        if order.backbone in PAPER_BACKBONES and data_of(self.suites[0]) == "mmedit":
            words += [f"--{k.replace('_', '-')} {order.backbone}={v}" for k, v in order.loading.items()]
            return " ".join(["mmedit-bench reproduce table1 --scale paper", *words])
        editor = next((name for name in (*self.editors, *CHEAP) if name in EDITORS.names()), "null")
        words += [f"--{key.replace('_', '-')} {value}" for key, value in order.loading.items()]
        asked = f"--suite {self.suites[0]} --backbone {order.backbone} --editor {editor}"
        return " ".join([f"mmedit-bench run {asked}", *words])

    # ---- one after the other

    def _found(self) -> Iterator[Finding | Needs]:
        here = machine(self.order.device, self.order.dtype)
        yield from (found for found in here if found.name != "threads")
        weights = self._weights()
        yield weights
        data = list(self._data())
        yield from data
        whole = all(found.status == "ok" for found in data)
        if weights.status == "ok" and (trouble := self._load()):
            yield trouble
        table = self._guarded("memory", lambda: self._needs(whole))
        yield table
        if isinstance(table, Needs):
            yield table.fits()
            yield self._disk(table, weights.status == "ok")
        if self._backbone is None:
            return
        yield self._digest()
        asked = self._asked() if whole else []
        yield self._guarded("round trip", lambda: self._round_trip(asked))
        yield self._guarded("stability", lambda: self._stability(asked))

    def _weights(self) -> Finding:
        try:
            self._files = found = weights_of(self.order.backbone, self.order.loading)
        except BenchError as error:
            return Finding("weights", "fail", str(error))
        if found is None:
            entry = BACKBONES.entry(self.order.backbone)
            return Finding("weights", "ok", f"those that {entry.value} of {entry.source} brings")
        at = f", commit {found.commit}" if found.commit else ""
        return Finding("weights", "ok", f"{found.folder}: {found.nbytes / GB:.1f} GB{at}")

    def _data(self) -> Iterator[Finding]:
        """Files by the data set's own check, then the digest of each suite."""
        name = data_of(self.suites[0])
        problems = data_problems(self.suites).get(name or "", [])
        if problems:
            more = len(problems) - MOST_PROBLEMS
            tail = [f"and {more:,} more, see `mmedit-bench data check {name}`"] if more > 0 else []
            yield Finding(f"data {name}", "fail", "; ".join([*problems[:MOST_PROBLEMS], *tail]))
        elif name:
            yield Finding(f"data {name}", "ok", "as its digest says")
        for suite in self.suites:
            yield self._guarded(f"suite {suite}", partial(self._suite, suite))

    def _suite(self, name: str) -> Finding:
        suite = self._parts.suite(name)
        count = len(suite.cases(_last(suite)))
        return Finding(f"suite {name}", "ok", f"{count:,} edits to measure, digest {suite.digest[:16]}")

    def _load(self) -> Finding | None:
        """Load the backbone, if there is room for it; None where it was loaded."""
        from mmedit_bench.backbones.checkpoint import DTYPES

        order = self.order
        if order.dtype not in DTYPES:
            return Finding("loading", "fail", f"dtype {order.dtype!r} is not one of {', '.join(DTYPES)}")
        row, files, present = published_row(order.backbone), self._files, self._room()
        if row and files:
            # files may be of another size than the row's, and hold two bytes for each number or four
            size = min(DTYPES[order.dtype].itemsize * row.parameters, 2 * files.nbytes)
            if size > present.nbytes:
                told = f"{present.nbytes / GB:.1f} GB {present.of} for {size / GB:.1f} GB of weights"
                return Finding("loading", "warn", f"not tried: {told}")
        try:
            self._backbone = self._parts.backbone(order)
        except BenchError as error:
            return Finding("loading", "fail", str(error))
        return None

    def _needs(self, whole: bool) -> Needs:
        """The table: of the backbone that is loaded, else of its row. `whole`: the data is all here."""
        from mmedit_bench.backbones.checkpoint import DTYPES
        from mmedit_bench.backbones.loads import counted, estimated
        from mmedit_bench.backbones.shape import Shape

        order, own = self.order, self._backbone
        if own is not None:
            shape = Shape.of(order.backbone, own.model, own.dtype)
        elif row := published_row(order.backbone):
            shape = Shape.of(order.backbone, row.on_meta(), DTYPES.get(order.dtype))
        else:
            raise BenchError(f"of {order.backbone} nothing is known before it is loaded")
        suite, train, asked = self._cases(self.suites) or self._cases(STAND_INS) or ("", (), ())
        exact = own is not None and whole  # how many tokens a picture has may hang on its size
        load = counted(own, train, asked) if exact else estimated(shape, train, asked, order.batch_size)
        lines = tuple(needs(shape, load, self.editors))
        return Needs(order.backbone, order.dtype, suite, exact, load, lines, self._room())

    def _room(self) -> Room:
        return room(self.order.device, self.order.loading.get("device_map"))

    def _cases(self, names: Sequence[str]) -> tuple[str, Sequence[EditCase], Sequence[EditCase]] | None:
        """The suite with the longest requests, its training cases and those it is measured by."""
        found = []
        for name in names:
            try:
                suite = self._parts.suite(name)
                train = suite.cases(TRAIN) if TRAIN in suite.splits else ()
                asked = suite.cases(_last(suite))
            except BenchError:
                continue
            longest = max((len(c.request.query.prompt + c.request.target) for c in asked), default=0)
            found.append((longest, name, train, asked))
        if not found:
            return None
        _, name, train, asked = max(found, key=lambda own: own[0])
        return name, train, asked

    def _disk(self, table: Needs, here: bool) -> Finding:
        """Room for what is trained on each suite, and for weights that are to be fetched."""
        trained = sum(line.demand.held for line in table.lines if line.demand and line.demand.learned)
        row = published_row(self.order.backbone)
        fetched = 0 if here or row is None else 4 * row.parameters
        folder = _standing(default_folder())
        free, wanted = shutil.disk_usage(folder).free, trained * len(self.suites) + fetched
        told = f"{free / GB:.1f} GB free below {folder}; "
        told += f"{trained * len(self.suites) / GB:.1f} GB for what is trained"
        told += f", at most {fetched / GB:.1f} GB for the weights" if fetched else ""
        return Finding("disk room", "ok" if free > wanted else "warn", told)

    def _digest(self) -> Finding:
        from mmedit_bench.backbones.zoo import differs

        own = self._backbone.loaded_digest
        problem = differs(self.order.backbone, own) if self.order.dtype == "float32" else None
        return Finding("digest", "fail" if problem else "ok", problem or own)

    def _asked(self) -> list[Probe]:
        """Probes of the suites, in turn."""
        suites = [self._parts.suite(name) for name in self.suites]
        return list(islice(some_probes(suites), self.probes))

    def _round_trip(self, asked: Sequence[Probe]) -> Finding:
        """An edit, its questions before, during and after it."""
        if not asked:
            return Finding("round trip", "warn", "not made: the data is not here")
        suite = self._parts.suite(self.suites[0])
        order = replace(
            self.order, suite=suite.name, editor=next(name for name in CHEAP if name in EDITORS.names())
        )
        case, editor, base = suite.cases(_last(suite))[0], Parts.editor(order), self._backbone
        questions = [probe.query for probe in case.probes]
        references = [probe.reference for probe in case.probes]
        versions, before = base.versions(), base.read(questions, references)
        edit = editor.edit(base, case.request)
        during = base.edited(edit).read(questions, references)
        after = base.unedited().read(questions, references)
        changed = sum(one != other for one, other in zip(before, during, strict=True))
        told = f"an edit by {order.editor} changed {changed} of {len(questions)} answers or their likelihoods"
        if before != after or base.versions() != versions:
            return Finding("round trip", "fail", f"{told}, and dropping it did not bring the first ones back")
        status: Literal["ok", "fail"] = "ok" if changed else "fail"
        return Finding("round trip", status, f"{told}; dropped, all were the same to the bit")

    def _stability(self, asked: Sequence[Probe]) -> Finding:
        views = []
        for size in (1, 16):
            view = copy.copy(self._backbone)
            view.batch_size = size
            views.append(view)
        probes = asked or list(islice(some_probes(), self.probes))
        found = stability_of(self.order.backbone, views, probes, self.order.device, self.order.dtype)
        return replace(found, name="stability")

    @staticmethod
    def _guarded(name: str, check: Callable[[], F]) -> F | Finding:
        """What a check raises is a finding too."""
        try:
            return check()
        except Exception as error:
            text = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
            return Finding(name, "fail", text)


def _last(suite: Any) -> str:
    """The split that published numbers are measured on, or the last one."""
    return EVALUATION if EVALUATION in suite.splits else str(suite.splits[-1])


def _standing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder
