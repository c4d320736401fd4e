"""The whole site: a board folder in, a folder of static files out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from leaderboard.site import board_page, data, details, exports
from leaderboard.site.html import write_text
from leaderboard.site.loading import Suites, Told, nobody
from leaderboard.site.model import Site, load, registered
from leaderboard.templating import static
from mmedit_bench.errors import BenchError, naming
from mmedit_bench.runs.files import make_folder

WRITERS: tuple[tuple[str, Callable[[Site, Path], None]], ...] = (
    ("board", board_page.write),
    ("data", data.write),
    ("exports", exports.write),
    ("edits and comparisons", details.write),
)
"""What writes which pages, in the order in which it is done."""
STYLES = ("theme.css", "base.css", "site.css")
SCRIPTS = ("data.js", "board.js")
PAGES = ("pages.css", "pages.js", "edits.js", "paired.js", "charts.js", "compare.js")
"""Style and scripts of single pages."""
MARK = ".mmedit-site"
"""Lies in a folder that this has written: only such a one is replaced."""


def build(
    board: Path,
    out: Path,
    *,
    suites: Suites = registered,
    workers: int = 1,
    told: Told = nobody,
) -> Path:
    """Write the site of a board folder to `out` and return it; the same board gives the same bytes.

    It is written beside `out` and moved into its place when it is whole. Raises `BenchError` where
    `out` holds something else than a site, and `BadRecord` for a board that cannot be read.
    """
    _replaceable(out)
    make_folder(out.parent)
    with naming(out.parent):
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".new", dir=out.parent))
    try:
        site = load(board, suites=suites, workers=workers, told=told)
        for number, (name, write) in enumerate(WRITERS):
            told(f"writing {name}", number, len(WRITERS))
            write(site, work)
        _write_static(work)
        write_text(work / MARK, "")
        work.chmod(0o755)
        _move(work, out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    told("writing", len(WRITERS), len(WRITERS))
    return out


def _write_static(out: Path) -> None:
    write_text(out / "static" / "site.css", "".join(map(static, STYLES)))
    for name in (*SCRIPTS, *PAGES):
        write_text(out / "static" / name, static(name))


def _replaceable(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).exists():
        raise BenchError(f"{out} holds something else than a site; name another folder, or empty it")


def _move(work: Path, out: Path) -> None:
    """Put `work` in the place of `out`, which is there whole at any moment but one."""
    with naming(out):
        old = None
        if out.exists():
            old = out.with_name(f"{work.name.removesuffix('.new')}.old")
            out.rename(old)
        work.rename(out)
        if old is not None:
            shutil.rmtree(old)
