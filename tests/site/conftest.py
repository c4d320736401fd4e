"""A board of hostile submissions, its site, and a browser to look at it with."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leaderboard.site.build import build
from tests.site.browser import Visit, opened, visiting
from tests.site.synthetic import HOSTILE, Suites, write_board

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EDITS = 24
PUBLISHED = Path(__file__).parents[2] / "docs" / "results" / "embedded"


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six entries whose every field is an attempt at script, blind and in sequences as well."""
    made = write_board(
        tmp_path_factory.mktemp("board") / "board", entries=6, edits=EDITS, hostile=True, backbones=1
    )
    finding = {
        "dataset": f"data{HOSTILE}", "finding": f"leak{HOSTILE}", "numbers": {f"share{HOSTILE}": 0.5},
        "sentence": f"Half of it leaks.{HOSTILE}", "command": f"mmedit-bench data audit{HOSTILE}",
    }  # fmt: skip
    (made / "audit").mkdir()
    (made / "audit" / "public.json").write_text(json.dumps([finding]))
    return made


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two committed documents, one of them cut short, with script in every text that a label could be."""
    folder = tmp_path_factory.mktemp("results")
    for ending in ("json", "svg", "png"):
        shutil.copy(PUBLISHED / f"fig5.{ending}", folder)
    table = json.loads((PUBLISHED / "table1.json").read_bytes())
    table["title"] += HOSTILE
    table["blocks"] = table["blocks"][:1]
    (block,) = table["blocks"]
    block["title"] = f"picturebook-vqa{HOSTILE}"
    block["rows"] = [*block["rows"][:4], {"label": f"lost{HOSTILE}", "key": "lost", "error": f"why{HOSTILE}"}]
    for row in block["rows"][:4]:
        row["label"] += HOSTILE
    (folder / "table1.json").write_text(json.dumps(table))
    return folder


@pytest.fixture(scope="session")
def site(board: Path, results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of that board."""
    out = tmp_path_factory.mktemp("site") / "site"
    return build(board, out, suites=Suites(EDITS), results=results, release=("2026.1", "2026-11-01"))


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
