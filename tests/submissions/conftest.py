"""A valid submission, and copies of it to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.submissions import made


@pytest.fixture(scope="session")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("valid"))


@pytest.fixture
def folder(valid: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(valid, tmp_path / "ours"))
