"""Comparing runs in a real browser, and its numbers beside those of the scorer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mmedit_bench.runs.files import parsed
from tests.site.browser import Visit, let_come, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

PUBLIC = "synthetic-vqa--blip2-opt-mini--one-step--public"
BLIND = "synthetic-vqa--blip2-opt-mini--one-step--blind"


def test_the_address_is_the_view(wide: Visit) -> None:
    page = wide.open(f"compare.html#block={PUBLIC}&runs=editor-003,editor-004,editor-005&scorer=generation")
    page.select_option("[name=fourth]", "copy-target")
    page.select_option("[name=measure]", "locality")
    page.select_option("[name=across]", "seconds")
    page.wait_for_function("location.hash.includes('copy-target')")
    address, told = page.url, page.inner_text("#difference-lead")
    again = wide.open(address.removeprefix(wide.home))
    values = {
        one: again.input_value(f"[name={one}]") for one in ("first", "fourth", "measure", "across", "scorer")
    }
    assert values == {
        "first": "editor-003", "fourth": "copy-target", "measure": "locality", "across": "seconds",
        "scorer": "generation",
    }  # fmt: skip
    assert again.inner_text("#difference-lead") == told
    assert again.locator("#squares .pair").count() == 3


def test_nonsense_in_the_address_is_ignored(wide: Visit) -> None:
    page = wide.open("compare.html#block=%3Cscript%3E&runs=a,b,%22&scorer=bleu&across=x")
    assert page.input_value("[name=block]").endswith("--public")
    assert page.input_value("[name=across]") == "generality"
    assert page.locator("#difference circle").count() > 5


@pytest.mark.parametrize(
    "key, beside",
    [
        ("editor-002", "self-reported"),
        ("editor-003", "partial"),
        ("editor-003", "another baseline"),
        ("editor-004", "not asked again"),
    ],
)
def test_who_may_not_compete_is_on_no_front_and_not_offered(
    browser: Browser, site: Path, tmp_path: Path, key: str, beside: str
) -> None:
    shutil.copytree(site, tmp_path / "site")
    name = f"compare/{PUBLIC}/index"
    index = json.loads((site / "data" / f"{name}.json").read_text())
    claims = next(one for one in index["editors"] if one["key"] == key)
    assert claims["beside"] in (None, beside)
    claims["beside"] = beside
    other = next(one for one in index["editors"] if one["key"] == "editor-005")
    other |= {"apart": False, "beside": None}  # or two would hardly be left
    for cells in claims["cells"].values():
        cells |= {key: [99.9, 99.8, 100.0] for key in cells}
    (tmp_path / "site" / "data" / f"{name}.js").write_text(f'mmeditData("{name}", {json.dumps(index)});\n')
    with visiting(browser, tmp_path / "site") as visit:
        page = visit.open(f"compare.html#block={PUBLIC}")
        competing = {one["key"] for one in index["editors"] if not one["beside"]}
        assert len(competing) >= 2
        assert {page.input_value(f"[name={seat}]") for seat in ("first", "second")} <= competing
        told = {row[0]: row[-1] for row in rows_of(page, "#trade-table")}
        kinds = {one["name"]: one["beside"] for one in index["editors"]}
        assert told.keys() == kinds.keys() and told[claims["name"]] == beside
        assert {name: told[name] for name, why in kinds.items() if why} == {
            name: why for name, why in kinds.items() if why
        }
        assert "yes" in {told[name] for name, why in kinds.items() if not why}
        hollow = page.locator("#trade svg circle.hollow").count()
        assert hollow == sum(map(bool, kinds.values()))
        assert visit.trouble == []


def rows_of(page: Page, table: str) -> list[list[str]]:
    return page.eval_on_selector_all(
        f"{table} tbody tr", "all => all.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )  # type: ignore[no-any-return]


def test_squares_count_and_lead_to_their_edits(wide: Visit, site: Path) -> None:
    page = wide.open(f"compare.html#block={PUBLIC}&runs=editor-002,null&measure=reliability%2Fmain")
    squares = page.locator("#squares .pair > .squares > a")
    won = page.locator("#squares .pair > .squares > a.won")
    folder = site / "data" / "compare" / PUBLIC
    mine, theirs = (
        json.loads((folder / f"run-{key}.json").read_text())["generation"]["reliability/main"]
        for key in ("editor-002", "null")
    )
    rows = [[side["values"][int(sign)] for sign in side["rows"]] for side in (mine, theirs)]
    better = [one > other for one, other in zip(*rows, strict=True)]
    assert squares.count() == len(better)
    assert won.count() == sum(better) > 0
    first = better.index(True)
    page.locator("#squares .pair > .squares > a").first.focus()
    for _ in range(first):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector('#edits[data-state="ready"]')
    assert f"{first + 1} of" in page.inner_text("#where")
    assert page.input_value("[name=editor]") == "editor-002"


def test_numbers_computed_in_the_page_are_those_of_the_scorer(wide: Visit, site: Path) -> None:
    """Large boards leave pairs to the page: the same differences, and bounds up to the draws' chance."""
    page = wide.open(f"compare.html#block={PUBLIC}")
    folder = site / "data" / "compare" / PUBLIC
    compared = 0
    for first in ("editor-002", "editor-003", "editor-004"):
        ahead = json.loads((folder / f"pairs-{first}.json").read_text())
        for family, pairs in ahead.items():
            for second, told in pairs.items():
                own = page.evaluate(
                    """async ([block, family, first, second]) => {
                      const load = (name) => mmedit.load(`compare/${block}/${name}`);
                      const names = ["index", `run-${first}`, `run-${second}`];
                      const [index, mine, theirs] = await Promise.all(names.map(load));
                      return mmedit.paired.compared(index, mine[family], theirs[family]);
                    }""",
                    [PUBLIC, family, first, second],
                )
                assert (own["edits"], own["clusters"]) == (told["edits"], told["clusters"])
                assert own["columns"].keys() == told["columns"].keys()
                for name, (value, low, high) in told["columns"].items():
                    mine, below, above = own["columns"][name]
                    assert mine == pytest.approx(value, abs=2e-3)
                    # a bound of 24 edits moves in steps of a few points from one set of draws to another
                    assert below == pytest.approx(low, abs=6) and above == pytest.approx(high, abs=6)
                    compared += 1
    assert compared > 50


def test_a_block_of_secret_probes_says_why_it_compares_nothing(wide: Visit) -> None:
    page = wide.open(f"compare.html#block={BLIND}")
    assert "secret" in page.inner_text("#why")
    assert not page.locator("#difference").is_visible()
    page.select_option("[name=block]", PUBLIC)
    page.wait_for_selector("#difference svg")
    assert not page.locator("#why").is_visible()


def test_a_block_that_loads_slowly_is_not_shown_under_another_name(
    browser: Browser, site: Path, served: str
) -> None:
    (other,) = [path.name for path in (site / "data" / "compare").iterdir() if "sequential" in path.name]
    index = json.loads((site / "data" / "compare" / other / "index.json").read_text())
    held: list[Route] = []
    with visiting(browser, served) as visit:
        page = visit.open(f"compare.html#block={BLIND}")
        page.route(f"**/compare/{PUBLIC}/index.js", lambda asked: held.append(asked))
        page.select_option("[name=block]", PUBLIC)
        page.select_option("[name=block]", other)
        page.wait_for_selector("#difference svg")
        let_come(page, held, f"compare/{PUBLIC}/index")
        names = page.locator("[name=first] option").all_inner_texts()
        assert names == [one["name"] for one in index["editors"]]
        assert page.input_value("[name=block]") == other and f"block={other}" in page.url
        assert visit.trouble == []


def test_runs_that_load_slowly_are_not_shown_for_those_chosen_since(browser: Browser, served: str) -> None:
    held: list[Route] = []
    with visiting(browser, served) as visit:
        page = visit.open(f"compare.html#block={PUBLIC}&runs=editor-003,editor-004")
        page.route("**/run-null.js", lambda asked: held.append(asked))
        page.select_option("[name=first]", "null")
        page.select_option("[name=block]", BLIND)
        page.wait_for_selector("#why:visible")
        let_come(page, held, f"compare/{PUBLIC}/run-null")
        assert not page.locator("#trouble").is_visible() and not page.locator("#difference").is_visible()
        assert visit.trouble == []


def test_every_chart_has_a_table(wide: Visit) -> None:
    page = wide.open(f"compare.html#block={PUBLIC}&runs=editor-002,editor-003")
    for summary in page.locator("#compare summary").all():
        summary.click()
    for name in ("difference", "squares", "trade"):
        table = page.locator(f"#{name}-table table")
        assert table.is_visible() and table.locator("tbody tr").count() > 1
        assert table.locator("thead th:not([scope=col]), tbody th:not([scope=row])").count() == 0
    assert page.locator("#trade-table tbody tr").count() == 6


@pytest.mark.parametrize("width", [360, 1280])
def test_charts_fit_their_window(browser: Browser, site: Path, width: int) -> None:
    with visiting(browser, site, viewport={"width": width, "height": 800}) as visit:
        page = visit.open(f"compare.html#block={PUBLIC}&runs=editor-002,editor-003,editor-004")
        clipped = """all => all.filter((text) => {
          const box = text.getBoundingClientRect(), frame = text.closest("svg").getBoundingClientRect();
          return box.left < frame.left - 1 || box.right > frame.right + 1;
        }).map((text) => text.textContent)"""
        assert page.eval_on_selector_all("svg.plot text", clipped) == []
        assert not visit.overflows()
        assert visit.trouble == []


def test_data_files_are_what_their_scripts_hold(site: Path) -> None:
    for path in (site / "data" / "compare" / PUBLIC).glob("*.json"):
        script = path.with_suffix(".js").read_text()
        assert script == f'mmeditData("compare/{PUBLIC}/{path.stem}", {path.read_text().rstrip()});\n'
        parsed(path.read_bytes())
