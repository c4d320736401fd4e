"""A local run beside rows whose baselines lie in files of other names, as those of other machines do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.site.admission import admit_own
from leaderboard.site.beside import beside
from mmedit_bench.runs.baseline import BaseProbe
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from tests.leaderboard import fake
from tests.leaderboard.fake import FakeEditor, FakeSuite, fake_run

SUITE = FakeSuite(count=12)


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
