"""Walking through single edits where data files do not come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.site.browser import Visit, visiting
from tests.site.conftest import EDITS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

PUBLIC = "synthetic-vqa--blip2-opt-mini--one-step--public"
PAGE = f"edits/{PUBLIC}/index.html"
FAILS = "These edits cannot be shown: data/details/"


def rewritten(site: Path, out: Path, name: str, change: Any) -> Path:
    """A copy of a site with one of the data files of the block changed."""
    shutil.copytree(site, out)
    values = json.loads((out / "data" / "details" / PUBLIC / f"{name}.json").read_text())
    change(values)
    script = out / "data" / "details" / PUBLIC / f"{name}.js"
    script.write_text(f'mmeditData("details/{PUBLIC}/{name}", {json.dumps(values)});\n')
    return out


@pytest.fixture(scope="module")
def halved(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose chunks hold half of the edits, of which the second half's is not there."""
    out = tmp_path_factory.mktemp("halved") / "site"
    return rewritten(site, out, "index", lambda values: values.update(size=EDITS // 2))


@pytest.fixture
def visit(browser: Browser, halved: Path) -> Iterator[Visit]:
    with visiting(browser, halved) as found:
        yield found
        # the console tells of a file that is not there; nothing else may go wrong
        assert [one for one in found.trouble if "ERR_FILE_NOT_FOUND" not in one] == []


LAST = f"edit=synthetic-vqa-{EDITS // 2 - 1:04d}"
"""The last edit whose data are there."""


def moved(page: Page, way: str) -> None:
    """On to the edit after `LAST`."""
    if way == "hash":
        page.evaluate(f"location.hash = 'edit=synthetic-vqa-{EDITS // 2:04d}'")
    elif way == "match":
        page.evaluate("document.querySelector('#edits details').open = true")
        page.locator("button.match").nth(EDITS // 2).click()
    elif way == "next":
        page.click("#next")
    else:
        page.keyboard.press("ArrowRight")


@pytest.mark.parametrize("way", ["next", "key", "match", "hash"])
def test_an_edit_that_does_not_come_does_not_leave_the_one_before(visit: Visit, way: str) -> None:
    page = visit.open(f"{PAGE}#{LAST}")
    moved(page, way)
    page.wait_for_selector('#edits[data-state="failed"]')
    assert page.inner_text("#where") == f"{EDITS // 2 + 1} of {EDITS} edits"
    assert page.inner_text("#edit") == f"{FAILS}{PUBLIC}/0001.js cannot be loaded"
    assert page.locator("#edit [role=alert]").count() == 1
    page.click("#previous")
    page.wait_for_selector('#edits[data-state="ready"]')
    assert page.locator("#edit table.answers").count() == 1 and LAST in page.url


def test_outcomes_that_do_not_come_are_not_those_of_the_run_before(browser: Browser, served: str) -> None:
    with visiting(browser, served) as visit:
        page = visit.open(f"{PAGE}#edit=synthetic-vqa-0007")
        page.route("**/outcomes-null.js", lambda asked: asked.abort())
        page.select_option("[name=editor]", "null")
        page.wait_for_selector('#edits[data-state="failed"]')
        assert page.inner_text("#edit") == f"{FAILS}{PUBLIC}/outcomes-null.js cannot be loaded"
        # nobody knows which edits match: none are offered, and the address says what was chosen
        assert page.inner_text("#where") == "" and page.locator("#matches li").count() == 0
        assert page.locator("#previous").is_disabled() and page.locator("#next").is_disabled()
        assert "editor=null" in page.url and "edit=synthetic-vqa-0007" in page.url
        page.select_option("[name=editor]", "copy-target")
        page.wait_for_selector('#edits[data-state="ready"]')
        assert page.inner_text("#where") == f"8 of {EDITS} edits"
        assert [one for one in visit.trouble if "ERR_FAILED" not in one] == []


@pytest.mark.parametrize("body", ["<!doctype html><p>not here</p>", "mmeditData('details", ""])
def test_what_stands_in_a_files_place_is_no_data(browser: Browser, halved: Path, body: str) -> None:
    with visiting(browser, halved) as visit:
        page = visit.open(f"{PAGE}#{LAST}")
        page.route("**/0001.js", lambda asked: asked.fulfill(content_type="text/javascript", body=body))
        page.click("#next")
        page.wait_for_selector('#edits[data-state="failed"]')
        assert page.inner_text("#edit") == f"{FAILS}{PUBLIC}/0001.js cannot be loaded"
        page.unroute("**/0001.js")
        page.click("#previous")
        page.wait_for_selector('#edits[data-state="ready"]')


def test_what_fails_slowly_does_not_take_the_place_of_what_was_chosen_since(
    browser: Browser, halved: Path
) -> None:
    held: list[Route] = []
    with visiting(browser, halved) as visit:
        page = visit.open(f"{PAGE}#{LAST}")
        page.route("**/0001.js", lambda asked: held.append(asked))
        page.click("#next")
        page.click("#previous")
        assert len(held) == 1
        held[0].abort()
        page.wait_for_timeout(100)
        assert page.locator("#edit table.answers").count() == 1
        assert page.get_attribute("#edits", "data-state") == "ready"
        assert [one for one in visit.trouble if "ERR_FAILED" not in one] == []


def test_a_picture_that_nobody_fetched_is_said_to_be_missing(
    browser: Browser, site: Path, tmp_path: Path
) -> None:
    def lose(values: dict[str, Any]) -> None:
        first = values["edits"][0]
        first["pictures"] = [[label, "", 0, 0] for label, *_ in first["pictures"]]
        for probe in first["probes"]:
            probe |= {"picture": ["", 0, 0]} if "picture" in probe else {}

    with visiting(browser, rewritten(site, tmp_path / "site", "0000", lose)) as visit:
        page = visit.open(PAGE)
        assert page.locator("#edit img").count() == 0
        figures = page.locator(".figures figure").all_inner_texts()
        assert len(figures) == 3 and all("(picture not at hand)" in text for text in figures)
        assert "(picture not at hand)" in page.inner_text(".answers thead")
        assert visit.trouble == [] and visit.violations() == []
