"""The whole site: a board folder in, a folder of static files out."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from leaderboard.site import (
    about,
    audit,
    board_page,
    data,
    details,
    editor_pages,
    exports,
    figures,
    paper,
    releases,
    run_pages,
)
from leaderboard.site.html import write_page, write_text
from leaderboard.site.loading import Suites, Told, nobody
from leaderboard.site.model import Site, load, registered
from leaderboard.templating import static
from mmedit_bench.errors import BenchError, naming
from mmedit_bench.runs.files import make_folder

WRITERS: tuple[tuple[str, Callable[[Site, Path], None]], ...] = (
    ("board", board_page.write),
    ("data", data.write),
    ("exports", exports.write),
    ("editors", editor_pages.write),
    ("runs", run_pages.write),
    ("about", about.write),
    ("releases", releases.write),
    ("edits and comparisons", details.write),
    ("figures", figures.write),
)
"""What writes which pages, in the order in which it is done."""
STYLES = ("theme.css", "base.css", "site.css")
SCRIPTS = ("data.js", "rows.js", "board.js")
PAGES = ("pages.css", "pages.js", "edits.js", "paired.js", "charts.js", "compare.js", "copy.js")
"""Style and scripts of single pages."""
NO_JEKYLL = ".nojekyll"
"""Tells GitHub Pages to serve the files as they are."""
MARK = ".mmedit-site"
"""Lies in a folder that this has written: only such a one is replaced."""


def build(
    board: Path,
    out: Path,
    *,
    release: tuple[str, str] | None = None,
    results: Path | None = None,
    suites: Suites = registered,
    workers: int = 1,
    told: Told = nobody,
) -> Path:
    """Write the site of a board folder to `out` and return it; the same board gives the same bytes.

    It is written beside `out` and moved into its place when it is whole; where `out` is a link, that
    stays, and the folder that it leads to is replaced. `release`, a name and a day, freezes the numbers
    in the board's folder first; `results` is a folder of what `reproduce` wrote, for the paper's pages.
    Raises `BenchError` where `out` holds something else than a site or the release says otherwise, and
    `BadRecord` for a board that cannot be read.
    """
    place = led_to(out)
    _replaceable(place)
    work = made_beside(place)
    try:
        site = load(board, suites=suites, workers=workers, told=told)
        if release is not None:
            site = releases.named(site, *release)
            releases.freeze(site)
        documents, findings = paper.documents_of(results), audit.read_findings(board)
        more = [(paper.INDEX, "Paper")] * bool(documents) + [(audit.PAGE, "Audit")] * bool(findings)
        site = replace(site, head=replace(site.head, more=tuple(more)))
        for number, (name, write) in enumerate(WRITERS):
            told(f"writing {name}", number, len(WRITERS))
            write(site, work)
        if documents:
            paper.write(site, work, documents)
        if findings:
            audit.write(site, work, findings)
        write_static(site, work)
        work.chmod(0o755)
        replace_folder(work, place)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    told("writing", len(WRITERS), len(WRITERS))
    return out


def write_static(site: Site, out: Path) -> None:
    """Styles and scripts, and what GitHub Pages looks for."""
    write_text(out / "static" / "site.css", "".join(map(static, STYLES)))
    for name in (*SCRIPTS, *PAGES):
        write_text(out / "static" / name, static(name))
    # shown in the place of pages at any depth: from where the server begins, as the address says it
    root = "/".join(["", *filter(None, urlsplit(site.head.url or "").path.split("/")), ""])
    write_page(site.head, out, "404.html", "missing.html.j2", root=root)
    for name in (MARK, NO_JEKYLL):
        write_text(out / name, "")


def led_to(out: Path) -> Path:
    """Where `out` really lies: a folder moved to the place of a link would leave what is served as it was."""
    return Path(os.path.realpath(out)) if out.is_symlink() else out


def made_beside(place: Path) -> Path:
    """A new folder next to `place`, to be moved there. Raises `Unusable`."""
    make_folder(place.parent)
    with naming(place.parent):
        return Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".new", dir=place.parent))


def _replaceable(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).exists():
        raise BenchError(f"{out} holds something else than a site; name another folder, or empty it")


def replace_folder(work: Path, out: Path) -> None:
    """Put `work` in the place of `out`, which is there whole at any moment but one and is no link.

    Raises `BenchError` where `out` holds something else than a site.
    """
    _replaceable(out)
    with naming(out):
        old = None
        if out.exists():
            old = out.with_name(f"{work.name.removesuffix('.new')}.old")
            out.rename(old)
        work.rename(out)
        if old is not None:
            shutil.rmtree(old)
