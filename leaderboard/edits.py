"""Ten edits of each block, answer by answer, so that a visitor can see an editor fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.pictures import Picture, Pictures
from leaderboard.runs import BoardRun
from mmedit_bench.cases import KEEP_KINDS, EditCase, ImageRef, Probe
from mmedit_bench.scoring.columns import Column, column, in_order, key_of
from mmedit_bench.scoring.normalize import same_answer

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one editor made of one probe. `good` is None where the edit was not run."""

    answer: str
    word: str
    good: bool | None
    before: str | None
    """The answer before the edit, where it is not the one shown for all editors."""


@dataclass(frozen=True, slots=True)
class ProbeView:
    """One question asked after the edit."""

    column: Column
    question: str
    picture: Picture | None
    wanted: str | None
    """None where the answer before the edit is wanted."""
    before: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class EditView:
    """One edit: what was to change, and what every editor made of it."""

    case: EditCase
    figures: tuple[tuple[str, Picture], ...]
    """Captions and pictures."""
    probes: tuple[ProbeView, ...]
    errors: tuple[str | None, ...]
    """For each editor, why its edit failed."""
    taken: int
    """Editors, controls aside, after whose edit the edited question gets the new answer."""
    run: int
    """Editors, controls aside, that were asked for the edit."""


def chosen(runs: Sequence[BoardRun]) -> list[EditCase]:
    """The first ten cases, in the suite's order, that all complete runs share: a rule, not a pick.

    Where no run is complete, the first ten that any run has.
    """
    complete = [set(run.asks) for run in runs if run.scores.complete]
    shared = set.intersection(*complete) if complete else {case for run in runs for case in run.asks}
    return [case for case in runs[0].cases if case.id in shared][:SHOWN] if runs else []


def edit_view(case: EditCase, runs: Sequence[BoardRun], pictures: Pictures) -> EditView:
    """One edit with the outcomes of `runs`, in their order. Outcomes are those of free generation."""
    place = {key: index for index, key in enumerate(in_order(key_of(p.kind, p.stratum) for p in case.probes))}
    ordered = sorted(case.probes, key=lambda probe: (place[key_of(probe.kind, probe.stratum)], probe.id))
    probes = tuple(_probe_view(probe, case, runs, pictures) for probe in ordered)
    asks = [run.asks.get(case.id) for run in runs]
    methods = [place for place, run in enumerate(runs) if not run.scores.control]
    outcomes = _reliability(probes)
    return EditView(
        case=case,
        figures=tuple((caption, pictures.add(image)) for caption, image in _images(case)),
        probes=probes,
        errors=tuple(run.errors.get(case.id) for run in runs),
        taken=sum(outcomes[place].good is True for place in methods) if outcomes else 0,
        run=sum(asks[place] is not None for place in methods),
    )


def _images(case: EditCase) -> list[tuple[str, ImageRef]]:
    """The edited picture and one from each other source, with captions."""
    found = {"Edited picture": case.request.query.image}
    wanted = {"main": "Other trained artist", "unseen_artist": "Unseen artist"}
    for probe in case.probes:
        if probe.kind == "image_generality":
            caption = wanted.get(probe.stratum, probe.stratum.replace("_", " ").capitalize())
            found.setdefault(caption, probe.query.image)
    order = ["Edited picture", *wanted.values()]
    names = sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))
    return [(name, image) for name in names if (image := found[name]) is not None]


def _reliability(probes: Sequence[ProbeView]) -> tuple[Outcome, ...]:
    return next((view.outcomes for view in probes if view.column.key == "reliability/main"), ())


def _probe_view(probe: Probe, case: EditCase, runs: Sequence[BoardRun], pictures: Pictures) -> ProbeView:
    answers = [(_answer(run, case, probe), run.before.get(probe.id, "")) for run in runs]
    before = next((own for answer, own in answers if answer is not None), "")
    keep = probe.kind in KEEP_KINDS
    return ProbeView(
        column=column(key_of(probe.kind, probe.stratum)),
        question=probe.query.prompt,
        picture=pictures.add(probe.query.image) if probe.query.image else None,
        wanted=None if keep else probe.reference,
        before=before,
        outcomes=tuple(_outcome(answer, own, probe, before) for answer, own in answers),
    )


def _answer(run: BoardRun, case: EditCase, probe: Probe) -> str | None:
    ask = run.asks.get(case.id)
    return (
        next((record.reading.answer for record in ask.probes if record.id == probe.id), None) if ask else None
    )


def _outcome(answer: str | None, own: str, probe: Probe, before: str) -> Outcome:
    """`own` is the answer before the edit in this run, `before` the one shown for all."""
    if answer is None:
        return Outcome("", "not run", None, None)
    other = None if own == before else own
    if probe.kind in KEEP_KINDS:
        good = same_answer(answer, own)
        return Outcome(answer, "kept" if good else "disturbed", good, other)
    good = same_answer(answer, probe.reference)
    return Outcome(answer, "took" if good else "missed", good, other)
