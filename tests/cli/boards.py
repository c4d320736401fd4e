"""A board of fake runs, and a way to call the program about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mmedit_bench.cli import app
from mmedit_bench.plugins.registry import SUITES
from tests.leaderboard.fake import EDITORS, FakeEditor, FakeSuite, fake_run

SUITE = FakeSuite(count=12)
NULL, COPY, FT, IKE, UNIKE, PATCHER, MEND = EDITORS


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def run(editor: FakeEditor, **changes: Any) -> Path:
    return fake_run(Path("runs"), SUITE, editor, **changes)


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board of two reference editors, one of which fails on two of its twelve edits."""
    monkeypatch.setattr(SUITES, "load", lambda name: lambda: SUITE)
    monkeypatch.chdir(tmp_path)
    for editor, family in ((IKE, "in-context"), (FT, "fine-tuning")):
        done = call(
            "site", "admit", run(editor), "--as", editor.name, "--family", family, "--date", "2026-11-25"
        )
        assert done.exit_code == 0, done.output
    return Path("board")
