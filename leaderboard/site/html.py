"""Pages of the site: a template, a place, and what every page has around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.site.entries import Head
from leaderboard.templating import environment
from mmedit_bench import __version__
from mmedit_bench.errors import naming

NAV: tuple[tuple[str, str], ...] = (
    ("index.html", "Board"),
    ("compare.html", "Compare"),
    ("releases/index.html", "Releases"),
    ("about.html", "About and data"),
)
"""What stands at the top of every page: path from the site's root, and label."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the base template knows as `site`."""

    title: str
    release: str | None
    date: str | None
    url: str | None
    root: str
    """The way from the page to the site's root: empty, or "../" and so on."""
    path: str
    """The page's own path from the root."""
    nav: tuple[tuple[str, str], ...]
    version: str = __version__


def write_page(
    head: Head, out: Path, path: str, template: str, *, root: str | None = None, **context: Any
) -> None:
    """Render `template` (under templates/site/) to `path` below `out`.

    `root` is the way to the site's root, for a page that is served from anywhere. Raises `Unusable` for
    a file that cannot be written.
    """
    way = "../" * path.count("/") if root is None else root
    nav = (*NAV[:-2], *head.more, *NAV[-2:])
    frame = Frame(head.title, head.release, head.date, head.url, way, path, nav)
    text = environment().get_template(f"site/{template}").render(site=frame, **context)
    write_text(out / path, text)


def write_text(path: Path, text: str) -> None:
    """Write a file below a folder that is moved into place when it is whole."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, data: bytes) -> None:
    """The same of bytes."""
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
