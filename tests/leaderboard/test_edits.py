from pathlib import Path

import pytest

from leaderboard.edits import SHOWN, chosen, edit_view
from leaderboard.pictures import Pictures
from leaderboard.runs import load_runs
from tests.leaderboard.fake import EDITORS, FakeEditor, FakeSuite, fake_run

SUITE = FakeSuite(count=14)


def loaded(tmp_path: Path, *editors: FakeEditor):
    return load_runs([fake_run(tmp_path, SUITE, editor) for editor in editors], lambda name: SUITE)


def test_the_first_ten_that_complete_runs_share(tmp_path: Path) -> None:
    first = [case.id for case in SUITE.cases("evaluation")[:SHOWN]]
    assert [case.id for case in chosen(loaded(tmp_path, *EDITORS))] == first
    late = loaded(tmp_path / "late", FakeEditor("ft"), FakeEditor("slow", stops=3))
    assert [case.id for case in chosen(late)] == first  # a run that is not complete hides nothing
    alone = loaded(tmp_path / "alone", FakeEditor("slow", stops=3))
    assert len(chosen(alone)) == 3
    assert chosen([]) == []


def test_outcomes(tmp_path: Path) -> None:
    editors = [
        FakeEditor("good", default=1),
        FakeEditor("bad", default=0),
        FakeEditor("broken", default=1, fails=1),
        FakeEditor("late", stops=0),
        FakeEditor("control", default=1, control=True),
    ]
    view = edit_view(SUITE.cases("evaluation")[0], loaded(tmp_path, *editors), Pictures())
    assert [caption for caption, _ in view.figures] == [
        "Edited picture",
        "Other trained artist",
        "Unseen artist",
    ]
    assert len({picture.id for _, picture in view.figures}) == 3
    assert len(view.probes) == 11
    assert (view.taken, view.run) == (1, 3)
    assert view.errors[2] == "editing: ValueError: <b>no gradient</b>"
    for probe in view.probes:
        good, bad, broken, late, _ = probe.outcomes
        keep = probe.column.group == "Keep"
        assert (probe.wanted is None) == keep
        assert good.word == ("kept" if keep else "took")
        assert bad.word == ("disturbed" if keep else "missed")
        assert broken.word == ("kept" if keep else "missed")
        assert late.word == "not run" and late.good is None
    assert [view.probes[0].column.key, view.probes[-1].column.key] == [
        "reliability/main",
        "image_locality/same_question",
    ]


def test_of_sequences_the_first_is_shown_with_its_own_error(tmp_path: Path) -> None:
    folder = fake_run(
        tmp_path,
        SUITE,
        FakeEditor("ft", fails=1),
        protocol="sequential",
        protocol_version="2",
        protocol_options={"checkpoints": [5]},
    )
    (run,) = load_runs([folder], lambda name: SUITE)
    assert {ask.unit for ask in run.asks.values()} == {"sequence-0/order-0"}
    assert {ask.moment for ask in run.asks.values()} == {"end"}
    assert run.errors == {SUITE.cases("evaluation")[0].id: "editing: ValueError: <b>no gradient</b>"}


@pytest.mark.parametrize("editors", [2, 3])
def test_runs_given_twice_count_once(tmp_path: Path, editors: int) -> None:
    folders = [fake_run(tmp_path, SUITE, editor) for editor in EDITORS[:editors]]
    assert len(load_runs([*folders, *folders], lambda name: SUITE)) == editors
