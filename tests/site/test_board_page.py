"""The board in a real browser: sorting, filtering, columns, and the view in the address."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.site.browser import Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PUBLIC = "synthetic-vqa--blip2-opt-mini--one-step--public"


def names(page: Page, body: str = "#rows") -> list[str]:
    return [re.match(r"=?(\S+( \d)?)", text)[1] for text in page.locator(f"{body} tr th a").all_inner_texts()]  # type: ignore[index]


def numbers(page: Page, place: int) -> list[float]:
    cells = page.locator(f"#rows tr td:nth-of-type({place})").all_inner_texts()
    return [float(re.match(r"-?[\d.]+", cell)[0]) for cell in cells if re.match(r"[\d.]", cell)]  # type: ignore[index]


def chosen(wide: Visit) -> Page:
    page = wide.open("index.html")
    page.wait_for_function("!document.querySelector('#tools').hidden")
    return page


def test_a_click_sorts_and_another_turns_it(wide: Visit) -> None:
    page = chosen(wide)
    head = page.locator("th[data-key='locality'], th[data-key='image_locality/main']").first
    place = (
        head.evaluate("(one) => [...one.closest('thead').querySelectorAll('tr:last-child th')].indexOf(one)")
        + 3
    )
    head.locator("button").click()
    first = numbers(page, place)
    assert len(first) > 2 and first in (sorted(first), sorted(first, reverse=True))
    assert head.get_attribute("aria-sort") in ("ascending", "descending")
    address = page.url
    head.locator("button").click()
    assert numbers(page, place) == first[::-1]
    assert page.url != address
    again = wide.open(address.removeprefix(wide.home))
    again.wait_for_function("!document.querySelector('#tools').hidden")
    assert numbers(again, place) == first


def test_the_line_to_copy_names_the_block_at_any_address(
    browser: Browser, site: Path, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "site")
    page, address = tmp_path / "site" / "index.html", "https://example.org/data/of/board"
    text = page.read_text()
    assert f"curl -O https://example.org/board/data/{PUBLIC}.csv" in text
    page.write_text(text.replace("https://example.org/board/data/", f"{address}/data/"))
    blind = PUBLIC.replace("public", "blind")
    with visiting(browser, tmp_path / "site") as visit:
        shown = visit.open(f"index.html#block={blind}")
        shown.locator("#curl", has_text=f"{blind}.csv").wait_for()
        assert shown.inner_text("#curl") == f"curl -O {address}/data/{blind}.csv"
        assert visit.trouble == []


def test_filters_narrow_and_the_address_remembers(wide: Visit) -> None:
    page = chosen(wide)
    everyone = names(page) + names(page, "#apart")
    page.fill("[name=text]", "Editor 4")
    page.wait_for_function("document.querySelectorAll('#rows tr:not([hidden]) th a').length < 3")
    assert "Editor 4" in " ".join(names(page) + names(page, "#apart"))
    assert len(everyone) > 3
    again = wide.open(page.url.removeprefix(wide.home))
    again.wait_for_function("!document.querySelector('#tools').hidden")
    assert again.input_value("[name=text]") == "Editor 4"
    again.fill("[name=text]", "nobody is called so")
    again.wait_for_selector("#none:not([hidden])")


def test_one_click_leads_to_edits_and_to_a_comparison(wide: Visit) -> None:
    page = chosen(wide)
    page.click("#onward [data-page=edits]")
    page.wait_for_selector('#edits[data-state="ready"] .figures img')
    page = chosen(wide)
    page.click("#onward [data-page=compare]")
    page.wait_for_selector('#compare[data-state="ready"] svg')


def test_words_in_the_address_are_no_markup(wide: Visit) -> None:
    page = wide.open("index.html#text=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&suite=%22%3E&scorer=x&track=y")
    page.wait_for_function("!document.querySelector('#tools').hidden")
    assert page.locator("img[src=x]").count() == 0
