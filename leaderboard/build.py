"""Builds the page: one index.html that opens from a file, with no server and no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from leaderboard.board import Board, board_of
from leaderboard.runs import load_runs
from leaderboard.templating import environment, static
from mmedit_bench import __version__
from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.runs.files import make_folder, write_whole

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite


def write_site(
    run_folders: Sequence[Path],
    out: Path,
    *,
    suites: Callable[[str], Suite] | None = None,
    baselines: Path | None = None,
) -> Path:
    """Write `out`/index.html from run folders and return its path.

    `suites` gives a suite by its name; by default the registered one. Runs are scored on the way,
    without writing to their folders; baselines lie beside them unless `baselines` names a folder. The
    same runs give the same bytes. Raises `BenchError` for runs that cannot be read or are not what
    their suite, baseline and protocol make of them, and for an `out` that holds the pages of a board.
    """
    _refuse_board(out)
    runs = load_runs(run_folders, suites or (lambda name: SUITES.load(name)()), baselines)
    html = _render(board_of(runs))
    make_folder(out)
    page = out / "index.html"
    write_whole(page, html.encode())
    return page


def _refuse_board(out: Path) -> None:
    """This page would take the place of a board's first one, and be published as such."""
    from leaderboard.site.build import MARK  # and with it all pages of a board, which this one has no need of

    if (out / MARK).exists():
        raise BenchError(f"{out} holds the pages of a board; name another folder for this one")


def _render(board: Board) -> str:
    """Everything but our own style and script is escaped."""
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            board=board,
            version=__version__,
            style=Markup(static("theme.css") + static("base.css") + static("page.css")),
            script=Markup(static("page.js")),
        )
    )
