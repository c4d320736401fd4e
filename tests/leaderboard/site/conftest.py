"""One small board for the tests of the site, and its pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.site.build import build
from leaderboard.site.model import Site, load
from tests.site.synthetic import Suites, write_board

EDITS = 20


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve entries of twenty edits each: every track, both controls, failures and a partial run."""
    return write_board(tmp_path_factory.mktemp("board") / "board", entries=12, edits=EDITS)


@pytest.fixture(scope="session")
def suites() -> Suites:
    """Its suites."""
    return Suites(EDITS)


@pytest.fixture(scope="session")
def loaded(board: Path, suites: Suites) -> Site:
    """The board, read."""
    return load(board, suites=suites)


@pytest.fixture(scope="session")
def built(board: Path, suites: Suites, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its pages."""
    return build(board, tmp_path_factory.mktemp("site") / "site", suites=suites)
