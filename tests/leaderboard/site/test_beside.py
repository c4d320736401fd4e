"""A local run beside rows whose baselines lie in files of other names, as those of other machines do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.site.admission import admit_own
from leaderboard.site.beside import beside
from mmedit_bench.cases import EditCase
from mmedit_bench.runs.baseline import BaseProbe
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.comparison import compared
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.groups import HARD
from mmedit_bench.scoring.score import checked_run
from tests.leaderboard import fake
from tests.leaderboard.fake import FakeEditor, FakeSuite, fake_run

SUITE = FakeSuite(count=12)


class Uneven(FakeSuite):
    """Of every other edit no near text is asked."""

    def _case(self, number: int) -> EditCase:
        case = super()._case(number)
        probes = [probe for probe in case.probes if number % 2 or not probe.stratum.startswith("same_")]
        return replace(case, probes=tuple(probes))


def drifted(probe: BaseProbe, plain=fake.base_probe) -> BaseProbe:
    made = plain(probe)
    logprobs = tuple(one - 0.25 for one in made.reading.logprobs or ())
    return replace(made, reading=replace(made.reading, logprobs=logprobs))


def test_rows_are_read_by_baselines_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, runs = tmp_path / "board", tmp_path / "runs"

    def admitted(name: str, **changes: str) -> None:
        run = fake_run(runs, SUITE, FakeEditor(name), **changes)
        admit_own([run], board, name, date="2026-11-25", suites=lambda name: SUITE)

    admitted("alike", torch="2.0.0")
    with monkeypatch.context() as patched:
        patched.setattr(fake, "base_probe", drifted)
        admitted("apart", dtype="bfloat16")
    mine = fake_run(tmp_path / "mine", SUITE, FakeEditor("mine", {"reliability": 1}, 0.5))
    found = beside(mine, board, HEADLINE_FAMILY, suites=lambda name: SUITE)
    told = {row.name: row for row in found.rows}
    assert told["alike"].why is None and told["alike"].differences["mean"] is not None
    assert told["apart"].why == "measured against another baseline" and not told["apart"].differences


def test_edits_are_won_and_lost_as_in_a_comparison_of_the_two(tmp_path: Path) -> None:
    """And none is left out for what it is not asked."""
    suite, board = Uneven(count=12), tmp_path / "board"
    theirs = fake_run(tmp_path / "runs", suite, FakeEditor("theirs", default=0.8))
    admit_own([theirs], board, "theirs", date="2026-11-25", suites=lambda name: suite)
    mine = fake_run(tmp_path / "mine", suite, FakeEditor("mine", {"reliability": 1}, 0.4))
    found = beside(mine, board, HEADLINE_FAMILY, suites=lambda name: suite)
    (row,) = found.rows
    runs: dict[str, Checked] = {one.name: checked_run(one, suite) for one in (mine, theirs)}
    (pair,) = compared(runs, columns=[HARD]).pairs
    assert found.summary == HARD and (row.won, row.lost) == (pair.won, pair.lost)
    assert pair.won + pair.lost + pair.tied == found.edits == 12 and row.won + row.lost > 6
