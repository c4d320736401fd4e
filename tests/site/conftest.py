"""A board of hostile submissions, its site, and a browser to look at it with."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leaderboard.site.build import build
from tests.site.browser import Visit, opened, visiting
from tests.site.synthetic import Suites, write_board

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EDITS = 24


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six entries whose every field is an attempt at script, on two backbones, blind and in sequences."""
    return write_board(tmp_path_factory.mktemp("board") / "board", entries=6, edits=EDITS, hostile=True)


@pytest.fixture(scope="session")
def site(board: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of that board."""
    return build(board, tmp_path_factory.mktemp("site") / "site", suites=Suites(EDITS))


@pytest.fixture(scope="session")
def served(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the same site below a path of a server."""
    root = tmp_path_factory.mktemp("served")
    shutil.copytree(site, root / "deep" / "board")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Says nothing."""

    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/deep/board/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with opened() as found:
        yield found


@pytest.fixture
def wide(browser: Browser, site: Path) -> Iterator[Visit]:
    """A wide window on the site, from its folder; fails a test after which something has gone wrong."""
    with visiting(browser, site) as visit:
        yield visit
        assert visit.trouble == []
