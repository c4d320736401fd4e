"""The maintainers' own runs put on a board: scored here, in no track, and marked as reference."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leaderboard.site.card_facts import card_facts
from leaderboard.site.loading import Suites
from leaderboard.site.model import registered
from mmedit_bench import __version__
from mmedit_bench.datasets.blind import BLIND, commitment, suite_named
from mmedit_bench.errors import BenchError, naming
from mmedit_bench.runs.baseline import FOLDER, path_of
from mmedit_bench.runs.files import read_regular, write_whole
from mmedit_bench.runs.folder import Manifest, read_run
from mmedit_bench.scoring.cost import TRAINING
from mmedit_bench.scoring.score import scored
from mmedit_bench.submissions.board_folder import MOST_CARD, admit, agreeing, ready_for
from mmedit_bench.submissions.cards import installed_card
from mmedit_bench.submissions.form import Submission, read_form
from mmedit_bench.submissions.limits import MOST_FILE
from mmedit_bench.submissions.parameters import hyper_parameters
from mmedit_bench.submissions.verified import Verification, VerifiedRun
from mmedit_bench.submissions.yaml_tree import read

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

FILES = ("manifest.json", "predictions.jsonl", "timings.jsonl")


def admit_own(
    folders: Sequence[Path],
    board: Path,
    id: str,
    *,
    date: str,
    form: Path | None = None,
    given: Mapping[str, Any] | None = None,
    card: Path | None = None,
    replace: bool = False,
    secret: bytes | None = None,
    suites: Suites = registered,
    beside: Mapping[str, Sequence[Path]] | None = None,
    told: Callable[[int, int], object] = lambda done, total: None,
) -> Path:
    """Score runs of one editor, and put them on the board as the entry `id`; returns its folder.

    `secret` is what blind runs among them were drawn by; the board is told its commitment alone.

    `form` is a submission.yaml, over whose fields go those of `given`. Without one, or with fields of it
    left out, they follow from the card and the runs. The card is the editor's own unless `card` names
    another. `beside` are runs of further entries, by id: of all entries, none is put there before each
    of them can be. Raises `BenchError` naming what is wrong with a run or with the form.
    """
    entries = {id: folders, **(beside or {})}
    ready: dict[str, _Prepared] = {}
    for own, runs in entries.items():
        ready_for(board, own, replace=replace)
        ready[own] = _prepared(runs, own, date, form, given or {}, card, secret, suites)
        told(len(ready), len(entries))
    agreeing(board, *dict.fromkeys(path for one in ready.values() for path in one.baselines))
    placed = {own: one.put(board, replace=replace) for own, one in ready.items()}
    return placed[id]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An entry with its scores, of which nothing is on the board yet."""

    submission: Submission
    verification: Verification
    card: str | None
    scores: Mapping[Path, bytes]
    """By the folder of the run."""
    baselines: tuple[Path, ...]

    def put(self, board: Path, *, replace: bool) -> Path:
        """Put it on the board; returns its folder there."""
        with tempfile.TemporaryDirectory() as work:
            runs = [
                _copied(folder, Path(work) / run.folder, scores)
                for (folder, scores), run in zip(self.scores.items(), self.verification.runs, strict=True)
            ]
            return admit(
                board, self.submission, self.verification, runs, self.baselines,
                card=self.card, replace=replace,
            )  # fmt: skip


def _prepared(
    folders: Sequence[Path],
    id: str,
    date: str,
    form: Path | None,
    given: Mapping[str, Any],
    card: Path | None,
    secret: bytes | None,
    suites: Suites,
) -> _Prepared:
    """Score these runs, and see that a board can hold them as the entry `id`. Raises as `admit_own`."""
    manifests = {folder: read_run(folder).manifest for folder in folders}
    editors = sorted({manifest.spec.editor for manifest in manifests.values()})
    if len(editors) != 1:
        raise BenchError(f"one entry is one editor, and these are runs of {', '.join(editors)}")
    named: dict[str, Path] = {}
    for folder, manifest in manifests.items():
        if (other := named.setdefault(manifest.spec.folder_name, folder)) != folder:
            raise BenchError(f"{other} and {folder} are both run {manifest.spec.folder_name}; name one")
    text = (
        installed_card(editors[0])
        if card is None
        else read_regular(card, MOST_CARD).decode("utf-8", "replace")
    )
    submission = _submission(id, list(manifests.values()), date, form, _told(text), given)
    drawn = {folder: _drawn(manifest, secret, suites) for folder, manifest in manifests.items()}
    runs = tuple(
        VerifiedRun(
            folder=manifest.spec.folder_name, fingerprint=manifest.spec.fingerprint,
            probes="blind" if (committed := drawn[folder].commitment) else "public", sample=None,
            commitment=committed,
        )
        for folder, manifest in manifests.items()
    )  # fmt: skip
    verification = Verification(
        submission=id, digest=None, date=date, by=f"mmedit-bench {__version__}", status="reference",
        problems=(), runs=runs,
    )  # fmt: skip
    scores = {}
    for folder in manifests:
        scores[folder] = scored(folder, drawn[folder].suite).text().encode()
        for name in (*FILES, TRAINING):
            if (folder / name).exists():  # of more bytes than a board takes, or no regular file
                read_regular(folder / name, MOST_FILE)
    baselines = (
        path_of(folder.resolve().parent / FOLDER, manifest.spec) for folder, manifest in manifests.items()
    )
    return _Prepared(submission, verification, text, scores, tuple(dict.fromkeys(baselines)))


class _Drawn(NamedTuple):
    """The suite of a run, and the commitment of what its probes were drawn by; None for public ones."""

    suite: Suite
    commitment: str | None


def _drawn(manifest: Manifest, secret: bytes | None, suites: Suites) -> _Drawn:
    spec = manifest.spec
    if (suite := suites(spec.suite)) is not None:
        return _Drawn(suite, None)
    if not spec.suite.endswith(BLIND):
        raise BenchError(f"run {spec.folder_name} is of suite {spec.suite}, which is not installed here")
    suite = suite_named(spec.suite, spec.suite_digest, secret)
    return _Drawn(suite, commitment(secret or b""))


def _copied(folder: Path, place: Path, scores: bytes) -> Path:
    """A copy of a run with its scores; the run's own folder stays as it is."""
    with naming(place):
        place.mkdir()
        for name in FILES:
            if (folder / name).exists():
                shutil.copyfile(folder / name, place / name)
            else:
                (place / name).touch()  # timings are notes: a run may have none
        if (folder / TRAINING).exists():
            shutil.copyfile(folder / TRAINING, place / TRAINING)
    write_whole(place / "scores.json", scores)
    return place


def _submission(
    id: str,
    manifests: Sequence[Manifest],
    date: str,
    form: Path | None,
    told: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Submission:
    """What is `given` comes first, then the form, then what the card `told`, and last what runs say."""
    specs = [manifest.spec for manifest in manifests]
    spec = specs[0]
    values: dict[str, Any] = {
        "id": id, "name": spec.editor, "editor": spec.editor, "track": "edits", "date": date,
        "family": "control" if manifests[0].control else "other", "version": spec.editor_version,
        "authors": ["The mmedit-bench authors"], "contact": "maintainers", "licence": "MIT", "paper": None,
        "code": None, "training_data": [], "hyper_parameters": hyper_parameters(specs), "description": "",
        "deviations": [],
    }  # fmt: skip
    where = "the entry's form" if form is None else str(form)
    text = "schema: 1\n" if form is None else read_form(form)
    tree, _ = read(text, where)
    lacking = {name: value for name, value in {**values, **told}.items() if name not in (tree or {})}
    submission, problems = Submission.parse(text, where, given={**lacking, **given, "id": id})
    if submission is None:
        raise BenchError("; ".join(map(str, problems)))
    if submission.editor != spec.editor:
        raise BenchError(f"{where}#editor: it is {submission.editor!r}, and the runs are of {spec.editor!r}")
    return submission


def _told(card: str | None) -> dict[str, Any]:
    """Fields of a form that a card states."""
    facts = card_facts(card or "")
    found: dict[str, Any] = {"deviations": list(facts.deviations)} if facts.deviations else {}
    if facts.family is not None:
        found["family"] = facts.family
    if facts.paper is not None:
        found["paper"] = dict(zip(("title", "url"), facts.paper, strict=True))
    return found
