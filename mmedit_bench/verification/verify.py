"""A submission from folder to verdict: looked at, measured anew, asked again, asked blind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mmedit_bench import __version__
from mmedit_bench.datasets.blind import blind_suite, commitment, read_secret
from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.execution.isolated import Isolation, NotReady
from mmedit_bench.execution.order import Order, refuse_strangers
from mmedit_bench.execution.parts import Parts
from mmedit_bench.execution.sandbox import demanded
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.editor_side import EditorLost
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.runs.baseline import FOLDER
from mmedit_bench.runs.files import read_regular, write_whole
from mmedit_bench.scoring.cost import TRAINING
from mmedit_bench.submissions.board_folder import agreeing, ready_for
from mmedit_bench.submissions.checks import Examined, bounded, examine
from mmedit_bench.submissions.checks_files import card_of
from mmedit_bench.submissions.checks_run import ExaminedRun
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submissions.package import OWN
from mmedit_bench.submissions.problems import Problem
from mmedit_bench.submissions.verified import Sample, Verification, VerifiedRun
from mmedit_bench.verification.acting import OtherEditor, acting, order_of
from mmedit_bench.verification.blind_pass import asked_blind
from mmedit_bench.verification.sample import EDITS, asked_again, chosen
from mmedit_bench.verification.trusted import Trusted, trusted, write_run

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a submission is verified."""

    rerun: bool = True
    """Whether edits are asked again."""
    sample: int = EDITS
    """Edits of each run that are."""
    seed: int | None = None
    """Of the sample; None: whatever the system's randomness gives, which nobody can foretell."""
    secret: Path | None = None
    """File of what blind probes are drawn by; None: no blind pass."""
    baselines: Path | None = None
    """This side's own folder of baselines, added to; None: all are made anew."""
    isolation: Callable[[], Isolation | None] = Isolation
    """What the editor's process is allowed, in the track `code`; called for a submission of that track."""
    for_code: tuple[str, ...] = ()
    """What was ordered, in the words of the order, that has a meaning in the track `code` alone."""
    loading: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By backbone, what is asked of it beyond its name: revision, weights, device_map, language_model."""
    board: Path | None = None
    """Where the submission is to be admitted if all is well; None: nowhere."""
    replace: bool = False
    """Whether in the place of the entry of the same id."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it, with all that a board is given."""

    verification: Verification
    submission: Submission | None
    runs: tuple[Path, ...]
    """Folders of the runs that `verification` names, with scores."""
    baselines: tuple[Path, ...]
    card: str | None


def verify(
    folder: Path, work: Path, manner: Manner | None = None, progress: Progress | None = None
) -> Verified:
    """Verify a submission; what is made on the way lies under `work`, an empty folder.

    A run with problems is not asked again, nor is any in the track `code` once there are problems: no
    code of a stranger is run to find out more about what is refused anyway. What that code does is a
    problem of the submission, whatever it is. Raises `BenchError` for what is no fault of the submission:
    a sandbox that cannot start, a suite without blind draws, a board that could not take it; what can be
    seen of that is, before any backbone is loaded.
    """
    manner = manner or Manner()
    parts = Parts()
    examined = examine(folder, parts.suite)
    made = _Made(work, manner, parts, examined, progress)
    if examined.submission is not None:
        if manner.secret is not None and examined.submission.track == "self-reported":
            raise BenchError(
                f"{folder} is self-reported: nothing of it can be asked again; verify it without --secret"
            )
        if manner.for_code and (track := examined.submission.track) != "code":
            raise BenchError(
                f"{manner.for_code[0]} is for track code, and this is track {track}; leave it out"
            )
        if not examined.problems:  # of a run that cannot be read, nobody knows its backbone
            refuse_strangers(manner.loading, [run.manifest.spec.backbone for run in examined.runs])
            if manner.rerun and examined.submission.track == "code":
                _allowed(manner)
        if manner.secret is not None:
            for suite in {run.manifest.spec.suite: run.suite for run in examined.runs}.values():
                blind_suite(suite, read_secret(manner.secret))
        if manner.board is not None and not examined.problems:
            ready_for(manner.board, examined.submission.id, replace=manner.replace)
        for run in examined.runs:
            if not _troubled(run, examined.problems):
                made.one(run, examined.submission.track)
    return made.verdict()


def _allowed(manner: Manner) -> Isolation:
    """What the process of a stranger's editor is allowed. Raises `BenchError` where there is no sandbox."""
    found = manner.isolation() or Isolation()
    if found.sandbox != "none":
        demanded()
    return found


def _refused(error: OtherEditor | NotReady, run: ExaminedRun) -> Problem:
    """An editor that is another than was run, or of no use, as a problem of its submission."""
    if isinstance(error, OtherEditor):
        return Problem("other-editor", "package", str(error), "submit the package that was run")
    return Problem("not-ready", f"runs/{run.folder}", str(error), "mend the editor")


def _troubled(run: ExaminedRun, problems: tuple[Problem, ...]) -> bool:
    begins = (f"runs/{run.folder}/", f"edits/{run.folder}/")
    return any(f"{problem.where}/".startswith(begins) for problem in problems)


class _Made:
    """What is made of a submission, run by run."""

    def __init__(
        self, work: Path, manner: Manner, parts: Parts, examined: Examined, progress: Progress | None
    ) -> None:
        self._work, self._manner, self._parts, self._progress = work, manner, parts, progress
        self._examined = examined
        self._boxed = True
        self._problems = list(examined.problems)
        self._chance = random.SystemRandom() if manner.seed is None else random.Random(manner.seed)
        self._secret = None if manner.secret is None else read_secret(manner.secret)
        self._runs: list[tuple[VerifiedRun, Path]] = []
        self._baselines: dict[str, Path] = {}

    def one(self, run: ExaminedRun, track: str) -> None:
        """Measure, ask again and ask blind; an editor that wrecks what it is given is a problem."""
        try:
            self._one(run, track)
        except (WeightsChanged, EditorLost) as error:
            fix = "an editor leaves the backbone and its process as they are"
            self._problems.append(Problem("editor-lost", f"runs/{run.folder}", str(error), fix))
            self._parts.forget_backbone()

    def _one(self, run: ExaminedRun, track: str) -> None:
        backbone = self._parts.backbone(self._order(run))
        own = self._manner.baselines or self._work / FOLDER
        found, problems = trusted(run, backbone, own, self._source(track), self._progress)
        self._problems += problems
        if found is None:
            return
        if self._manner.board is not None and not self._runs:  # later, what was done is worth its verdict
            agreeing(self._manner.board, found.baseline)
        acts = self._manner.rerun and track != "self-reported"
        sample = self._asked_again(found, backbone, track) if acts else None
        # what is read under teacher forcing counts where this side has read some of it as well
        texts_only = track != "edits" or sample is None
        place = write_run(self._work / "public", found.checked, self._noted(run), texts_only=texts_only)
        self._keep(found.checked.state.manifest.spec.fingerprint, place, found.baseline, sample, None)
        if acts and self._secret is not None and (track == "edits" or not self._problems):
            self._asked_blind(found, backbone, track, self._secret)

    def _order(self, run: ExaminedRun) -> Order:
        spec = run.manifest.spec
        return order_of(spec, self._manner.loading.get(spec.backbone))

    def _source(self, track: str) -> str:
        """The distribution that the editor comes from: as it is found where its code is run, else as told."""
        submission, digests = self._examined.submission, self._examined.digests
        if submission is None or digests is None:
            return "unknown"
        package = digests.package
        if track == "code" and package["name"] == OWN and submission.editor in EDITORS.names():
            return EDITORS.entry(submission.editor).source
        said = f"{package['name']} {package['version']}"
        return said if track == "code" else f"{said}, as submitted"

    def _noted(self, run: ExaminedRun) -> bytes:
        """What the submission notes of the cost of a run."""
        return self._examined.contents.texts.get(f"runs/{run.folder}/timings.jsonl", b"")

    def _asked_again(self, run: Trusted, backbone: Backbone, track: str) -> Sample | None:
        if track == "code" and self._problems:
            return None
        contents = self._examined.contents
        units = chosen(run.checked.schedule, self._manner.sample, self._chance)
        spec = run.run.manifest.spec
        log = self._work / f"{run.run.folder}.log"
        isolation = self._isolation(track)
        try:
            with acting(
                contents, run.run, self._order(run.run), track, spec.fingerprint, isolation, log
            ) as side:
                sample, problems = asked_again(run, backbone, side, units, self._progress)
        except (OtherEditor, NotReady) as error:
            self._problems.append(_refused(error, run.run))
            return None
        self._problems += problems
        return sample

    def _asked_blind(self, run: Trusted, backbone: Backbone, track: str, secret: bytes) -> None:
        order = replace(self._order(run.run), secret=self._manner.secret)
        blinding = self._parts.blinding(order) if track == "code" else None
        isolation = self._isolation(track)
        try:
            blind, problems = asked_blind(
                run, self._examined.contents, order, track, backbone, secret, self._work / "blind",
                isolation, blinding, self._progress,
            )  # fmt: skip
        except (OtherEditor, NotReady) as error:  # it was itself, and ready, when the sample was asked
            self._problems.append(_refused(error, run.run))
            return
        self._problems += problems
        if blind is None:
            return
        checked, folder, baseline = blind
        if track == "edits":  # here they were read from files, which says nothing of what making them takes
            timings = self._noted(run.run)
        else:
            noted = folder / "timings.jsonl"
            timings = noted.read_bytes() if noted.exists() else b""  # a run without an edit has none
        place = write_run(self._work / "shown", checked, timings, texts_only=track != "edits")
        if (learned := folder / TRAINING).exists():  # what its training took here
            write_whole(place / TRAINING, read_regular(learned))
        fingerprint = checked.state.manifest.spec.fingerprint
        self._keep(fingerprint, place, baseline, None, commitment(secret))

    def _isolation(self, track: str) -> Isolation:
        """What the editor's process is allowed. Raises `BenchError` where it cannot be given that."""
        if track != "code":
            return Isolation()  # there is none
        found = _allowed(self._manner)
        self._boxed = found.sandbox != "none"
        return found

    def _keep(
        self, fingerprint: str, place: Path, baseline: Path, sample: Sample | None, committed: str | None
    ) -> None:
        probes = "public" if committed is None else "blind"
        self._runs.append((VerifiedRun(
            folder=place.name, fingerprint=fingerprint, probes=probes, sample=sample, commitment=committed,
        ), place))  # fmt: skip
        self._baselines[baseline.name] = baseline

    def verdict(self) -> Verified:
        """What came of all runs."""
        submission, problems = self._examined.submission, bounded(self._problems)
        again = [run for run, _ in self._runs if run.probes == "public"]
        asked = bool(again) and all(run.sample and run.sample.edits for run in again)
        verification = Verification(
            submission=submission.id if submission else "",
            digest=self._examined.digest,
            date=datetime.now(UTC).date().isoformat(),
            by=f"mmedit-bench {__version__}" + ("" if self._boxed else ", without a sandbox"),
            status="refused" if problems else "verified" if asked else "checked",
            problems=problems,
            runs=tuple(run for run, _ in self._runs),
        )
        card = card_of(self._examined.contents, submission) if submission else None
        return Verified(
            verification, submission, tuple(place for _, place in self._runs),
            tuple(self._baselines.values()), card,
        )  # fmt: skip


def by_code(problems: tuple[Problem, ...]) -> Iterator[tuple[str, list[Problem]]]:
    """Problems of one code together, the codes in the order in which they were first met."""
    for code in dict.fromkeys(problem.code for problem in problems):
        yield code, [problem for problem in problems if problem.code == code]
