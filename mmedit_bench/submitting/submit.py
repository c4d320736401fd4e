"""From an editor's package to a submission: the form is checked, runs are carried out, files put together."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from mmedit_bench import __version__
from mmedit_bench.errors import BenchError
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.trainings import Trainings, package_digest
from mmedit_bench.harness.artefacts import default_folder
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.run import RunResult
from mmedit_bench.plugins.registry import BACKBONES, EDITORS
from mmedit_bench.runs.files import read_regular
from mmedit_bench.runs.folder import Manifest, RunFolder, read_run
from mmedit_bench.submissions.folder import Parts, SubmissionFolder, assembled
from mmedit_bench.submissions.form import ParameterValue, Submission, read_form
from mmedit_bench.submissions.package import OWN, EditorPackage
from mmedit_bench.submissions.parameters import hyper_parameters
from mmedit_bench.submissions.problems import Problem
from mmedit_bench.submitting.environment import environment
from mmedit_bench.submitting.keeping import Keeping, kept_edits
from mmedit_bench.submitting.means import Means

UNBOXED = "Run without a sandbox."
"""What a submission of track code says under `deviations` when its editor was not boxed in."""


@dataclass(frozen=True, slots=True)
class Made:
    """A submission that was made."""

    folder: Path
    new: bool
    """Whether anything about it is new."""
    submission: Submission
    results: tuple[RunResult, ...]
    files: int
    bytes: int


class Desk:
    """One submission of an editor."""

    def __init__(
        self,
        package: EditorPackage,
        form: Path,
        orders: Sequence[Order],
        out: Path,
        *,
        track: str | None = None,
        runs: Path | None = None,
        means: Means | None = None,
    ) -> None:
        """`orders` are runs of the package's editor. `runs` is the folder that they are made in.

        Raises `BenchError` for a form with something wrong in it, naming all that is.
        """
        self.package, self._form, self._orders, self._out = package, form, tuple(orders), out
        self._means = means or Means()
        self._text = read_form(form)
        self._given: dict[str, Any] = {"editor": package.editor, "version": package.version}
        if track:
            self._given["track"] = track
        self._given["date"] = date.today().isoformat()
        self.submission = self._completed({})
        made = SubmissionFolder(out / self.submission.id)
        if made.is_one():  # what is submitted again keeps its date
            earlier, _ = Submission.parse(read_regular(made.form).decode("utf-8", "replace"))
            if earlier:
                self._given["date"] = earlier.date
                self.submission = self._completed({})
        self.folder = made.path
        self.work = out / f"{self.submission.id}.work"
        self.runs = runs or self.work / "runs"
        self._isolation = self._means.isolation(self.submission.track)

    def _workshop(self) -> Workshop:
        """A workshop, after a look at all names: none is found wrong after hours."""
        workshop = Workshop()
        for order in self._orders:
            EDITORS.entry(order.editor)
            BACKBONES.entry(order.backbone)
            workshop.suite(order.suite)
            workshop.protocol(order)
        return workshop

    @property
    def ships_package(self) -> bool:
        """Whether the editor's source files are part of the submission."""
        return self.submission.track == "code" and self.package.distribution != OWN

    def trial(self, progress: Progress | None = None) -> list[tuple[Order, RunResult | None]]:
        """Make one edit for each order, in a folder that is gone afterwards.

        None in place of a result: the editor has to be trained first, which is not done here.
        """
        workshop = self._workshop()
        found: list[tuple[Order, RunResult | None]] = []
        for order in self._orders:
            one = replace(order, limit=1, protocol="one-step", protocol_options={})
            if self._untrained(workshop, one):
                found.append((order, None))
                continue
            with tempfile.TemporaryDirectory(prefix="mmedit-bench-") as folder:
                found.append((order, self._run(workshop, one, Path(folder), Path(folder), progress)))
        return found

    def _untrained(self, workshop: Workshop, order: Order) -> bool:
        """Whether the editor would be trained first, which takes too long for a trial."""
        if not hasattr(EDITORS.load(order.editor), "train"):
            return False
        if self._isolation and self._isolation.sandbox != "none":  # it shares its trainings with nobody
            return Trainings(default_folder(), order, package_digest(order)).read() is None
        return workshop.untrained(order)

    def make(self, progress: Progress | None = None) -> Made:
        """Carry out what is left of the runs and put the submission together.

        Raises as `run`, and `BenchError` for a package that was changed meanwhile.
        """
        workshop, package = self._workshop(), self.package.sha256
        results = tuple(self._run(workshop, order, self.runs, self.work, progress) for order in self._orders)
        manifests = [Manifest.read(RunFolder(result.folder).manifest) for result in results]
        edits: dict[str, Mapping[str, Path]] = {}
        if self.submission.track == "edits":
            for order, result, manifest in zip(self._orders, results, manifests, strict=True):
                plan, state = workshop.plan_of(order, manifest), read_run(result.folder)
                edits[result.folder.name] = kept_edits(self.work / "edits", plan, state)
        specs = [manifest.spec for manifest in manifests]
        if self.package.sha256 != package:
            raise BenchError("the package was changed while its editor ran; give the same command again")
        parts = Parts(
            submission=self._completed(hyper_parameters(specs)),
            package=self.package,
            ships_package=self.ships_package,
            environment=environment(),
            runs=[result.folder for result in results],
            edits=edits,
            scorer=f"mmedit-bench {__version__}",
            suites={spec.suite: spec.suite_digest for spec in specs},
            backbones={spec.backbone: spec.backbone_digest for spec in specs},
        )
        folder, new = assembled(parts, self._out)
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        return Made(folder, new, parts.submission, results, len(files), size)

    def _run(
        self, workshop: Workshop, order: Order, runs: Path, work: Path, progress: Progress | None
    ) -> RunResult:
        keeps = self.submission.track == "edits"
        return workshop.run(
            order,
            runs,
            progress,
            engine=self._means.engine,
            isolation=self._isolation,
            deadline=None if self._isolation else self._means.edit_timeout,
            between=(lambda side: Keeping(side, work / "edits")) if keeps else None,
        )

    def _completed(self, parameters: Mapping[str, ParameterValue]) -> Submission:
        given = self._given | {"hyper_parameters": dict(parameters)}
        found, problems = Submission.parse(self._text, str(self._form), given=given)
        if found is None:
            raise BenchError(told(problems))
        if self._means.unboxed and UNBOXED not in found.deviations:
            found = replace(found, deviations=(*found.deviations, UNBOXED))
        return found


def told(problems: Sequence[Problem]) -> str:
    """All problems in a line."""
    return " | ".join(map(str, problems))
