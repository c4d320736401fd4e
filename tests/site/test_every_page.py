"""What must hold of every kind of page, in a real browser, on a board whose every field is hostile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.site.browser import PHONE, Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

PUBLIC = "synthetic-vqa--blip2-opt-mini--one-step--public"
KINDS = {
    "board": "index.html",
    "editor": "editors/editor-003.html",
    "run": "runs/*.html",
    "compare": f"compare.html#block={PUBLIC}&runs=editor-002,editor-003,editor-004,editor-005",
    "edits": f"edits/{PUBLIC}/index.html#editor=editor-003&outcome=failed",
    "secret edits": "edits/synthetic-vqa--blip2-opt-mini--one-step--blind/index.html",
    "paper": "paper/index.html",
    "paper's table": "paper/table1.html",
    "paper's figure": "paper/fig5.html",
    "audit": "audit.html",
    "releases": "releases/index.html",
    "release": "releases/2026.1/index.html",
    "about": "about.html",
}
"""One page of each kind."""


def path_of(site: Path, kind: str) -> str:
    path = KINDS[kind]
    return path if "*" not in path else min(site.glob(path)).relative_to(site).as_posix()


@pytest.fixture(scope="module", params=["light", "dark"])
def themed(browser: Browser, site: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """One window for all pages, in both themes."""
    with visiting(browser, site, color_scheme=request.param) as visit:
        yield visit


@pytest.fixture(scope="module")
def phone(browser: Browser, site: Path) -> Iterator[Visit]:
    with visiting(browser, site, viewport=PHONE) as visit:
        yield visit


def test_the_list_above_is_all_kinds_of_pages(site: Path) -> None:
    known = {path_of(site, kind).partition("#")[0] for kind in KINDS}
    kinds = {path.rpartition("/")[0] for path in known}
    for page in site.rglob("*.html"):
        path = page.relative_to(site).as_posix()
        folder = path.rpartition("/")[0]
        assert path in (*known, "404.html") or (folder in kinds and folder) or folder.startswith("edits/"), (
            path
        )


@pytest.mark.parametrize("kind", KINDS)
def test_no_trouble_and_no_serious_violation(themed: Visit, site: Path, kind: str) -> None:
    themed.trouble.clear()
    page = themed.open(path_of(site, kind))
    page.eval_on_selector_all("details", "all => { for (const one of all) one.open = true; }")
    assert themed.violations() == []
    assert themed.trouble == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (sum(map(int, ground.strip("rgb()").split(","))) < 150) == dark


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_scrolls_down_only(phone: Visit, site: Path, kind: str) -> None:
    phone.trouble.clear()
    page = phone.open(path_of(site, kind))
    page.eval_on_selector_all("details", "all => { for (const one of all) one.open = true; }")
    assert not phone.overflows()
    for box in page.locator(".scroll").all():
        if not box.is_visible():
            continue
        first = box.locator("tbody th").first
        moved = box.evaluate("(one) => { one.scrollLeft = 200; return one.scrollLeft; }")
        if moved and first.count():
            at = first.evaluate(
                "(one) => one.getBoundingClientRect().left"
                " - one.closest('.scroll').getBoundingClientRect().left"
            )
            assert abs(at) <= 1  # the first column stays
    assert phone.trouble == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_submitters_write_stays_text(phone: Visit, site: Path, kind: str) -> None:
    page = phone.open(path_of(site, kind))
    page.eval_on_selector_all("details", "all => { for (const one of all) one.open = true; }")
    if kind not in ("paper's figure",):
        assert "onerror=alert" in page.inner_text("body")  # it is there, and shown
    assert page.locator("img[src=x], [onerror], b > b, svg[onload]").count() == 0
    assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
    assert page.locator("[style]").count() == 0
    links = page.eval_on_selector_all("a[href]", "all => all.map((one) => one.protocol)")
    assert set(links) <= {"file:", "https:", "http:"}


@pytest.mark.parametrize("kind", ["board", "compare", "edits", "paper's table"])
def test_printed_there_is_no_box_to_scroll(wide: Visit, site: Path, kind: str) -> None:
    page = wide.open(path_of(site, kind))
    page.emulate_media(media="print")
    hidden = page.eval_on_selector_all(
        "nav, form.tools", "all => all.every((one) => getComputedStyle(one).display === 'none')"
    )
    assert hidden
    boxes = page.eval_on_selector_all(".scroll", "all => all.map((one) => getComputedStyle(one).overflowX)")
    assert set(boxes) <= {"visible"}
    assert len(page.pdf()) > 10_000


@pytest.mark.parametrize("kind", ["board", "compare", "edits"])
def test_every_control_is_reached_by_tab_and_seen(wide: Visit, site: Path, kind: str) -> None:
    page = wide.open(path_of(site, kind))
    wanted = page.eval_on_selector_all(
        "select, button:not(:disabled), summary, .scroll",
        "all => all.filter((one) => one.checkVisibility()).length",
    )
    reached = set()
    for _ in range(wanted + 60):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
              const own = document.activeElement, style = getComputedStyle(own);
              const all = [...document.querySelectorAll("select, button:not(:disabled), summary, .scroll")];
              const place = all.filter((one) => one.checkVisibility()).indexOf(own);
              return [place, own === document.body || own.matches(".skip") || style.outlineStyle !== "none"];
            }"""
        )
        assert told[1], "focus is not visible"
        reached.add(told[0])
        if len(reached - {-1}) == wanted:
            break
    assert len(reached - {-1}) == wanted


def test_the_first_page_is_small(site: Path, browser: Browser) -> None:
    sizes: list[int] = []
    with visiting(browser, site) as visit:
        visit.page.on(
            "request",
            lambda asked: (
                sizes.append((site / asked.url.removeprefix(visit.home).partition("#")[0]).stat().st_size)
                if asked.url.startswith(visit.home)
                else None
            ),
        )
        visit.open("index.html")
    assert 0 < sum(sizes) < 300_000


def test_the_page_for_what_is_missing_works_at_the_published_address(browser: Browser, site: Path) -> None:
    """A server shows it in the place of any page, however deep, so it names the site's own address."""
    home = "https://example.org/board/"
    with visiting(browser, home) as visit:

        def serve(asked: Route) -> None:
            path = site / asked.request.url.removeprefix(home)
            there = path.is_file()
            asked.fulfill(path=path if there else site / "404.html", status=200 if there else 404)

        visit.page.route(f"{home}**", serve)
        page = visit.open("runs/deep/nothing.html")
        assert visit.violations() == []
        assert page.evaluate("getComputedStyle(document.querySelector('nav ul')).listStyleType") == "none"
        page.click("nav a >> nth=0")
        page.wait_for_selector("#rows tr")
        assert [one for one in visit.trouble if "404" not in one] == []
