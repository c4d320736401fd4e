"""Walking through single edits in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.site.browser import Visit, let_come, visiting
from tests.site.conftest import EDITS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

PUBLIC = "synthetic-vqa--blip2-opt-mini--one-step--public"
BLIND = "synthetic-vqa--blip2-opt-mini--one-step--blind"
PAGE = f"edits/{PUBLIC}/index.html"


def where(visit: Visit) -> str:
    return visit.page.inner_text("#where")


def test_three_pictures_and_a_row_per_run(wide: Visit) -> None:
    page = wide.open(PAGE)
    assert where(wide) == f"1 of {EDITS} edits"
    assert page.locator(".figures figcaption").all_inner_texts() == [
        "Edited picture", "Rephrased picture", "Locality picture",
    ]  # fmt: skip
    # every picture has been drawn, larger than it is, without smoothing
    sizes = page.eval_on_selector_all(".figures img", "all => all.map(one => [one.naturalWidth, one.width])")
    assert all(0 < own < shown for own, shown in sizes)
    assert page.eval_on_selector(".figures img", "one => getComputedStyle(one).imageRendering") == "pixelated"
    rows = page.locator(".answers tbody:last-of-type tr")
    assert rows.count() == 6
    copied = rows.filter(has_text="copy-target").locator("td").all_inner_texts()
    assert copied[0].startswith("took") and any(cell.startswith("disturbed") for cell in copied)


def test_the_same_from_a_path_of_a_server(browser: Browser, served: str) -> None:
    with visiting(browser, served) as visit:
        page = visit.open(f"{PAGE}#edit=synthetic-vqa-0007")
        assert where(visit) == f"8 of {EDITS} edits"
        assert page.locator(".answers tbody:last-of-type tr").count() == 6
        assert page.eval_on_selector(".figures img", "one => one.naturalWidth") > 0
        assert visit.trouble == []


def test_only_what_is_looked_at_is_loaded(wide: Visit, site: Path) -> None:
    page = wide.open(PAGE)
    loaded = page.eval_on_selector_all("script[src*='data/']", "all => all.map(one => one.src)")
    names = {name.rpartition("/")[2] for name in loaded}
    assert names == {"index.js", "outcomes.js", "0000.js"}
    page.select_option("[name=editor]", "editor-002")
    page.wait_for_function("document.querySelector('script[src$=\"outcomes-editor-002.js\"]')")


def test_filter_right_before_and_wrong_after(wide: Visit, site: Path) -> None:
    page = wide.open(PAGE)
    page.select_option("[name=editor]", "editor-002")
    page.select_option("[name=kind]", "text_locality/main")
    page.select_option("[name=outcome]", "harmed")
    page.wait_for_function("document.querySelector('#where').textContent.includes('match')")
    found = re.fullmatch(rf"1 of (\d+) that match, of {EDITS} edits", where(wide))
    assert found
    assert int(found[1]) == harmed(site, "editor-002", "text_locality/main") > 0
    for _ in range(int(found[1])):
        cell = page.locator(".answers tr.chosen td").nth(column(page, "Keep: text"))
        assert cell.inner_text().startswith("disturbed, was right")
        if page.locator("#next").is_enabled():
            page.click("#next")
            page.wait_for_timeout(20)


def column(page: object, title: str) -> int:
    heads: list[str] = page.locator(".answers thead .kind").all_inner_texts()  # type: ignore[attr-defined]
    return heads.index(title)


def harmed(site: Path, editor: str, kind: str) -> int:
    """Edits of which some probe of a kind was right before and wrong after, by the data files."""
    folder = site / "data" / "details" / PUBLIC
    index = json.loads((folder / "index.json").read_text())
    outcomes = json.loads((folder / f"outcomes-{editor}.json").read_text())
    wanted = [one["key"] for one in index["columns"]].index(kind)
    found, start = 0, 0
    for shape, width in zip(index["edits"]["shapes"], index["edits"]["widths"], strict=True):
        own = outcomes[start : start + width]
        start += width
        codes = [
            int(sign, 16) for sign, place in zip(own, index["shapes"][shape], strict=True) if place == wanted
        ]
        found += any(code & 8 and not code & 2 for code in codes)
    return found


def test_keys_walk_and_the_address_remembers(wide: Visit) -> None:
    page = wide.open(PAGE)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"document.querySelector('#where').textContent === '2 of {EDITS} edits'")
    assert "edit=synthetic-vqa-0001" in page.url
    page.select_option("[name=editor]", "editor-003")
    page.select_option("[name=outcome]", "failed")
    page.wait_for_function("location.hash.includes('failed')")
    said, address = where(wide), page.url
    again = wide.open(address.removeprefix(wide.home))
    assert where(wide) == said
    assert again.input_value("[name=editor]") == "editor-003"
    assert (
        again.locator(".answers tr.chosen .error").inner_text()
        == "edit failed: editing: ValueError: <b>no gradient</b>"
    )


def test_what_loads_slowly_does_not_take_the_place_of_what_was_chosen_since(
    browser: Browser, served: str
) -> None:
    held: list[Route] = []
    with visiting(browser, served) as visit:
        page = visit.open(f"{PAGE}#kind=reliability/main&outcome=bad")
        page.route("**/outcomes-null.js", lambda asked: held.append(asked))
        page.select_option("[name=editor]", "null")  # missed every one
        page.select_option("[name=editor]", "copy-target")
        page.locator("#where", has_text="None of").wait_for()
        let_come(page, held, f"details/{PUBLIC}/outcomes-null")
        assert where(visit) == f"None of {EDITS} edits is like that"
        assert page.input_value("[name=editor]") == "copy-target"
        assert visit.trouble == []


def test_a_filter_that_nothing_fits(wide: Visit) -> None:
    page = wide.open(f"{PAGE}#editor=null&kind=text_locality%2Fmain&outcome=harmed&edit=%3Cscript%3E")
    assert where(wide) == f"None of {EDITS} edits is like that"
    assert page.locator("#edit .empty").is_visible()


def test_arrows_in_a_select_or_a_table_stay_there(wide: Visit) -> None:
    page = wide.open(PAGE)
    page.focus("[role=region]")
    page.keyboard.press("ArrowRight")
    page.focus("[name=outcome]")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(50)
    assert where(wide).startswith("1 of")


def test_secret_questions_are_not_published(wide: Visit, site: Path) -> None:
    page = wide.open(f"edits/{BLIND}/index.html")
    assert "secret" in page.inner_text(".note")
    assert page.locator(".figures img").count() == 1  # the edited picture is public, what is asked is not
    words = set(
        page.locator(".answers tbody:last-of-type .good, .answers tbody:last-of-type .bad").all_inner_texts()
    )
    assert words <= {"as before", "the target", "changed"} and words
    folder = site / "data" / "details" / BLIND
    texts = "".join(path.read_text() for path in folder.glob("*.js*"))
    assert "Tell me what" not in texts and "question about no." not in texts and "/p0" not in texts


@pytest.mark.parametrize("slug", ["sequential-159e2ac2--public"])
def test_edits_of_sequences_are_told_apart(wide: Visit, site: Path, slug: str) -> None:
    (folder,) = (site / "edits").glob("*sequential*")
    page = wide.open(f"edits/{folder.name}/index.html")
    first = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('#where').textContent.startsWith('2 of')")
    assert "%40" in first and page.url != first
