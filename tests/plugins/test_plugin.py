"""Somebody else's editor: found, shown with its source and run, with nothing changed here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError, Collision
from mmedit_bench.harness.run import Experiment, run
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.protocols.one_step import OneStep
from mmedit_bench.runs.folder import read_run
from mmedit_bench.scoring.score import score_run
from tests.distributions import write_metadata, write_metadata_of
from tests.fakes.experiment import baseline_of
from tests.fakes.tiny_suite import TinySuite
from tests.tiny import tiny_backbone

PROJECT = Path(__file__).parent / "acme_editor"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin as an installer would leave it."""
    site = tmp_path / "site"
    shutil.copytree(PROJECT / "acme_editor", site / "acme_editor")
    write_metadata_of(PROJECT, site)
    monkeypatch.syspath_prepend(site)
    return site


def test_is_found_with_its_source(site: Path) -> None:
    assert "acme-reminder" in EDITORS.names()
    entry = EDITORS.entry("acme-reminder")
    assert (entry.source, entry.location) == ("acme-editor 0.3.1", site)


def test_is_run_and_scored_like_any_other(site: Path, tmp_path: Path) -> None:
    entry, options = EDITORS.entry("acme-reminder"), {"word": "Note:"}
    suite = TinySuite()
    experiment = Experiment(
        suite=suite,
        split="test",
        backbone=tiny_backbone("opt"),
        editor=EDITORS.load("acme-reminder")(**options),
        protocol=OneStep(),
        editor_options=options,
        editor_source=entry.source,
    )
    result = run(experiment, tmp_path / "runs")
    assert (result.status, result.failed) == ("complete", 0)
    assert result.folder.name.startswith("tiny--tiny-opt--acme-reminder--one-step--")
    state = read_run(result.folder)
    assert state.manifest.source == "acme-editor 0.3.1"
    assert state.manifest.spec.editor_options == options
    before = baseline_of(tmp_path / "runs", result)
    assert any(  # the reminder reached the model
        now.reading.argmax != then.reading.argmax
        for ask in state.asks
        for now, then in zip(ask.probes, before.probes[ask.case], strict=True)
    )
    scores = score_run(result.folder, suite)
    assert scores.complete and scores.spec.editor == "acme-reminder"
    assert scores.counts.done == 3


def test_its_own_errors_reach_the_user(site: Path) -> None:
    with pytest.raises(BenchError, match="no option colour"):
        EDITORS.load("acme-reminder")(colour="red")


def test_it_cannot_take_a_name_that_is_taken(site: Path) -> None:
    write_metadata(site, "copycat", "1.0", {"mmedit_bench.editors": {"acme-reminder": "copycat:Editor"}})
    with pytest.raises(Collision, match=r"acme-editor 0\.3\.1.*copycat 1\.0"):
        EDITORS.load("acme-reminder")
