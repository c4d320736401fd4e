"""The plugins of `lab` as an installed distribution, and a way to call the program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mmedit_bench.cli import app
from tests.cli import boards

ENTRY_POINTS = """
[mmedit_bench.editors]
echo = tests.cli.lab:Echo
fragile = tests.cli.lab:Fragile
defective = tests.cli.lab:Defective
pupil = tests.cli.lab:Pupil
coded = tests.cli.lab:Coded
misnamed = tests.cli.lab:Misnamed
broken = tests.cli.lab:NotThere
[mmedit_bench.backbones]
lab-backbone = tests.cli.lab:backbone
[mmedit_bench.suites]
lab-suite = tests.cli.lab:Suite
lab-suite-legacy-trainer = tests.cli.lab:worded
"""

Call = Callable[..., Result]


def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, entry_points: str) -> Call:
    """A way to call the program in an empty folder, with a distribution of these plugins installed."""
    info = tmp_path / "installed" / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    monkeypatch.syspath_prepend(info.parent)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MMEDIT_BENCH_HOME", str(tmp_path / "home"))
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The program with the lab's plugins."""
    return program(tmp_path, monkeypatch, "lab", ENTRY_POINTS)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board of two reference editors, in the folder where the program is called."""
    return boards.made(tmp_path, monkeypatch)
