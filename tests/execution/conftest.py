"""The lab's plugins, installed where processes that are started find them too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import ENTRY_POINTS

MORE = """
deadly = tests.cli.lab:Deadly
mortal = tests.execution.mortal:Mortal
slow = tests.cli.lab:Slow
curious = tests.cli.lab:Curious
keeper = tests.execution.keeper:Keeper
fleeting = tests.execution.keeper:Fleeting
"""
DATA = """
[mmedit_bench.data]
lab-data = tests.execution.conftest:LabData
"""


class LabData:
    """The lab's suite has no files: there is nothing to replace where an editor looks."""

    @staticmethod
    def for_editors(folder: Path) -> Mapping[Path, Path]:
        return {}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for runs."""
    info = tmp_path / "installed" / "lab-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        ENTRY_POINTS.replace("[mmedit_bench.editors]\n", "[mmedit_bench.editors]\n" + MORE) + DATA
    )
    monkeypatch.syspath_prepend(info.parent)
    monkeypatch.setenv("MMEDIT_BENCH_HOME", str(tmp_path / "home"))
    return tmp_path
