"""Behaviours against a case worked by hand, and against counting over whole runs."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.cases import Probe, Query
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.behaviour import Behaviour, Told, behaviours
from mmedit_bench.scoring.families import families
from mmedit_bench.scoring.groups import GROUPS, MEANS
from mmedit_bench.scoring.metrics import Seen
from mmedit_bench.scoring.normalize import same_answer
from mmedit_bench.scoring.score import checked_run, scored
from mmedit_bench.scoring.scores import NOTHING_MEETS, TEXT_ALONE
from mmedit_bench.scoring.sections import table_of, told_of
from tests.fakes.folder import SPEC, write_run
from tests.leaderboard.fake import EDITORS, FakeEditor, FakeSuite, base_probe, fake_run

KNOWN = {behaviour.name: behaviour for behaviour in behaviours(families())}
TARGET = "blue"


def told(kind: str, stratum: str, reference: str, before: str, after: str | None, **more) -> Told:
    """A probe whose tokens are the characters of its answers."""
    size = len(reference) + 1

    def reading(answer: str) -> Reading:
        ids = (*answer.encode(), 2, *([0] * size))[:size]
        return Reading(answer, ids, (-0.5,) * size, kl=more.get("kl"))

    probe = Probe(f"{kind}/{stratum}", kind, Query("?"), reference, stratum)
    edited = Reading(more["text"]) if after is None else reading(after)
    seen = Seen(kind, reference, (*reference.encode(), 2), edited, reading(before))
    return Told(probe, TARGET, seen)


CASE = (
    told("reliability", "main", TARGET, "red", "blue"),
    told("reliability", "text_alone", TARGET, "red", "Blue."),
    told("reliability", "picture_alone", TARGET, "blue", "blue"),
    told("text_generality", "main", TARGET, "red", "red"),
    told("image_generality", "main", TARGET, "red", "green"),
    told("image_generality", "unseen_artist", TARGET, "blue", "blue"),
    told("text_image_generality", "main", TARGET, "red", "blue"),
    told("text_locality", "main", "two", "two", "blue", kl=(0.5, 0.1, 0.0, 0.2)),
    told("text_locality", "near", "two", "two", "two", kl=(0.0, 0.0, 0.0, 0.0)),
    told("image_locality", "main", "cat", "dog", "cat", kl=(1.0, 1.0, 1.0, 1.0)),
    told("image_locality", "near", "dog", "cat", "cat", kl=(0.0, 0.0, 0.0, 0.4)),
    told("image_locality", "same", "blue", "red", "blue", kl=(0.0, 0.0, 0.0, 0.0, 0.0)),
)
"""One edit: it takes, half of its generality does not, and what should stay changes in three of five."""

EXPECTED = {
    "spread/generation": {"mean_of_k": 0.5, "worst_of_k": 0.0, "unit": 0.0},
    "halves/generation": {"reliability/text_alone": 1.0},  # the picture alone said so before
    "kept_right/generation": {"text_locality/main": 0.0, "text_locality/near": 1.0, "all": 0.5},
    "harm/generation": {"text_locality/main": 1.0, "text_locality/near": 0.0, "all": 0.5},
    "heal/generation": {
        "image_locality/main": 1.0, "image_locality/near": 0.0, "image_locality/same": 1.0, "all": 2 / 3,
    },
    "over": {
        "text_locality/main": 1.0, "text_locality/near": 0.0, "image_locality/main": 0.0,
        "image_locality/near": 0.0, "all": 0.25,
    },  # where blue is the truth it is not out of place
    "under": {
        "text_generality/main": 1.0, "image_generality/main": 0.0, "text_image_generality/main": 0.0,
        "all": 1 / 3,
    },  # green is wrong, but not the old answer
    "divergence": {
        "text_locality/main": 0.2, "text_locality/near": 0.0, "image_locality/main": 1.0,
        "image_locality/near": 0.1, "image_locality/same": 0.0, "all": 0.26,
    },
}  # fmt: skip


def means(behaviour: Behaviour, *edits) -> dict[str, float]:
    table = table_of(behaviour, edits)
    values = np.nanmean(table.values, axis=0) if len(edits) else []
    return dict(zip(table.columns, values, strict=True))


@pytest.mark.parametrize("name", EXPECTED)
def test_hand_worked(name: str) -> None:
    assert means(KNOWN[name], CASE) == pytest.approx(EXPECTED[name])


def test_right_and_wrong_under_teacher_forcing_are_about_all_tokens() -> None:
    assert means(KNOWN["harm/teacher_forced_exact"], CASE)["all"] == 0.5
    assert means(KNOWN["kept_right/teacher_forced_token"], CASE) == pytest.approx(
        {"text_locality/main": 0.0, "text_locality/near": 1.0, "all": 0.5}
    )
    assert means(KNOWN["spread/teacher_forced_token"], CASE)["worst_of_k"] == pytest.approx(0.0)


def test_a_text_alone_is_unread_and_not_wrong() -> None:
    routed = told("text_locality", "main", "two", "two", None, text="blue")
    table = table_of(KNOWN["harm/teacher_forced_exact"], [[routed]])
    assert table.unread.tolist() == [[1, 1]] and np.isnan(table.values).all()
    assert table.empty == {"text_locality/main", "all"}
    assert means(KNOWN["harm/generation"], [routed])["all"] == 1
    edits = [told("text_generality", "main", TARGET, "red", None, text="blue"), *CASE]
    assert means(KNOWN["spread/generation"], edits)["mean_of_k"] == pytest.approx(3 / 5)
    assert table_of(KNOWN["spread/teacher_forced_exact"], [edits]).unread.sum() == 5 + 5 + 5


ANSWERS = st.sampled_from(["blue", "red", "two", "a cat"])
PROBES = st.lists(
    st.builds(
        told,
        st.sampled_from(
            ["reliability", "text_generality", "image_generality", "text_locality", "image_locality"]
        ),
        st.sampled_from(["main", "near"]),
        ANSWERS, ANSWERS, ANSWERS,
        kl=st.just((0.25, 0.25)),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(PROBES, min_size=1, max_size=4), st.randoms())
def test_bounds_and_invariances(edits, random) -> None:
    for name, behaviour in KNOWN.items():
        table = table_of(behaviour, edits)
        there = ~np.isnan(table.values)
        assert (table.values[there] >= 0).all()
        assert behaviour.unit == "nats" or (table.values[there] <= 1).all()
        assert ((table.probes > 0) == there | (table.unread > 0)).all()
        shuffled = [list(edit) for edit in edits]
        for edit in shuffled:
            random.shuffle(edit)
        again = table_of(behaviour, shuffled)
        assert again.columns == table.columns
        assert np.allclose(again.values, table.values, equal_nan=True), name
        assert (again.probes == table.probes).all()


@settings(deadline=None, max_examples=60)
@given(PROBES)
def test_how_they_belong_together(edit) -> None:
    found = {name: means(behaviour, edit) for name, behaviour in KNOWN.items()}
    spread, harm = found["spread/generation"], found["harm/generation"]
    if "mean_of_k" in spread:
        assert spread["worst_of_k"] <= spread["mean_of_k"]
    for column, value in found["kept_right/generation"].items():
        # right before and the same after is right after; these answers have one spelling each
        assert value == pytest.approx(1 - harm[column])
    right = {own.column for own in edit if own.seen.before.answer == own.seen.reference}
    keep = {own.column for own in edit if own.probe.kind.endswith("locality")}
    assert set(harm) - {"all"} == right & keep


# ---- whole runs


@pytest.fixture(scope="module")
def suite() -> FakeSuite:
    return FakeSuite(count=24)


def test_sections_agree_with_counting(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, EDITORS[2])
    found, run = scored(folder, suite), checked_run(folder, suite)
    joined = [
        (ask, next(case for case in run.selection.cases if case.id == ask.case)) for ask in run.state.asks
    ]
    harmed: dict[str, list[float]] = defaultdict(list)
    leaked: list[float] = []
    units: list[float] = []
    for edit in told_of(joined, run.baseline):
        units.append(
            float(
                all(
                    same_answer(own.seen.edited.answer, own.seen.reference)
                    for own in edit
                    if own.probe.stratum == "main" and not own.probe.kind.endswith("locality")
                )
            )
        )
        places = []
        for own in edit:
            if own.probe.kind.endswith("locality"):
                harmed[own.column].append(float(not same_answer(own.seen.edited.answer, own.seen.reference)))
                if not same_answer(own.seen.reference, own.target):
                    places.append(float(same_answer(own.seen.edited.answer, own.target)))
        leaked.append(sum(places) / len(places))
    cells = found.sections["harm/generation"].overall
    for column, own in harmed.items():  # the fakes' unedited answers are all right
        assert cells[column].value == pytest.approx(100 * sum(own) / len(own))
        assert (cells[column].n, cells[column].edits) == (24, 24)
    unit = found.sections["spread/generation"].overall["unit"]
    assert unit.value == pytest.approx(100 * sum(units) / len(units)) and unit.low <= unit.value <= unit.high
    assert unit.label == "all of a unit: generation_exact"
    over = found.sections["over"].overall["all"]
    assert over.value == pytest.approx(100 * sum(leaked) / len(leaked))
    assert over.value == 0  # "... indeed" is not the target
    assert "heal/generation" not in found.sections  # nothing was wrong before
    assert found.left_out["heal/generation"] == NOTHING_MEETS


def test_gaps_are_differences_of_the_same_columns(tmp_path: Path, suite: FakeSuite) -> None:
    found = scored(fake_run(tmp_path, suite, EDITORS[3]), suite)
    free, forced = (found.family(name).overall for name in ("generation", "teacher_forced_token"))
    gap = found.sections["gap/teacher_forced_token"]
    assert gap.overall.keys() == free.keys() - (GROUPS.keys() - MEANS.keys()) and gap.unit == "points"
    for column, cell in gap.overall.items():
        assert cell.value == pytest.approx(free[column].value - forced[column].value)
        assert cell.unit == "points" and cell.low <= cell.value <= cell.high
    assert gap.overall["reliability/main"].label == "generation_exact - teacher_forced_token"
    assert gap.overall["locality"].label == "generation_same - agreement_top1"
    for sort, cells in gap.by_sort.items():
        own = found.family("generation").by_sort[sort]["mean"].value
        assert cells["mean"].value == pytest.approx(
            own - found.family("teacher_forced_token").by_sort[sort]["mean"].value
        )


def test_sorts_and_routes_reach_the_sections(tmp_path: Path, suite: FakeSuite) -> None:
    values = {"suite": suite.name, "suite_digest": suite.digest, "split": "evaluation"}
    spec = RunSpec(**(SPEC | values | {"evidence": ("answer", "argmax", "logprobs", "kl")}))
    first = suite.cases("evaluation")[0]

    def reply(case, probe, unit, edited) -> Reading:
        base = base_probe(probe)
        if case == first and probe.kind == "text_locality" and probe.stratum == "main":
            return Reading(base.reading.answer)
        return dataclasses.replace(base.reading, kl=(0.5,) * len(base.target))

    def base(probe):
        found = base_probe(probe)
        return dataclasses.replace(
            found, reading=dataclasses.replace(found.reading, kl=(0.0,) * len(found.target))
        )

    found = scored(write_run(tmp_path, suite, spec, reply, base), suite)
    section = found.sections["divergence"]
    gone = {"text_locality/main", "all"}
    for cells in (section.overall, *section.by_sort.values()):
        assert {key for key, cell in cells.items() if cell.reason == TEXT_ALONE} >= {"text_locality/main"}
        kept = [cell for key, cell in cells.items() if key not in gone]
        assert all((cell.value, cell.unit, cell.label) == (0.5, "nats", "kl") for cell in kept)
    assert "divergence" not in found.left_out
    assert found.sections["kept_right/generation"].overall["all"].value == 100


def test_what_was_not_recorded_is_left_out(tmp_path: Path, suite: FakeSuite) -> None:
    found = scored(fake_run(tmp_path, suite, FakeEditor("plain")), suite)
    assert "divergence" not in found.sections
    assert found.left_out["divergence"] == "kl was not recorded; run again with --evidence kl"
    assert "halves/generation" not in found.sections  # the suite asks none
