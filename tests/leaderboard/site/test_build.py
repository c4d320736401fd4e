"""The site as a folder of files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from leaderboard.site import board_page
from leaderboard.site.board_page import table_of
from leaderboard.site.build import MARK, build, write_static
from leaderboard.site.model import Site, load
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.submissions.board_folder import read_board
from tests.site.synthetic import HOSTILE, Suites, write_board

FIRST_PAGE = 300_000
"""Bytes that a visitor loads before he has chosen anything."""


class Page(HTMLParser):
    """Tags with attributes, and all text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_board_gives_the_same_bytes(
    built: Path, board: Path, suites: Suites, tmp_path: Path
) -> None:
    again = build(board, tmp_path / "again", suites=suites, workers=2)
    assert digests(again) == digests(built)


def test_every_link_leads_somewhere(built: Path) -> None:
    pages = [path for path in built.rglob("*.html") if path.name != "404.html"]
    assert len(pages) > 30
    for path in pages:
        for tag, attributes in Page(path).tags:
            for name in ("href", "src"):
                value = attributes.get(name)
                if not value or value.startswith(("https://", "data:", "#")):
                    assert tag in ("a", "link") or not value
                    continue
                target = path.parent / unquote(urldefrag(value)[0])
                assert target.resolve().is_relative_to(built) and target.is_file(), (path, value)


@pytest.mark.parametrize(
    ("url", "root"),
    [(None, "/"), ("https://example.org", "/"), ("https://example.org/deep/board", "/deep/board/")],
)
def test_the_page_for_what_is_missing_links_from_where_the_server_begins(
    loaded: Site, tmp_path: Path, url: str | None, root: str
) -> None:
    """It is shown in the place of pages at any depth."""
    write_static(replace(loaded, head=replace(loaded.head, url=url)), tmp_path)
    links = [a["href"] for tag, a in Page(tmp_path / "404.html").tags if tag in ("link", "a") and "href" in a]
    own = [link for link in links if link and not link.startswith(("data:", "#"))]
    assert f"{root}static/site.css" in own and f"{root}index.html" in own
    assert all(link.startswith(root) for link in own)


def test_nothing_inline_and_nothing_from_elsewhere(built: Path) -> None:
    for path in built.rglob("*.html"):
        page = Page(path)
        policy = next(a for t, a in page.tags if t == "meta" and a.get("http-equiv"))
        assert "default-src 'none'" in (policy["content"] or "")
        assert "unsafe" not in (policy["content"] or "")
        for tag, attributes in page.tags:
            assert tag not in ("style", "iframe", "img", "object", "base"), path
            assert not any(name == "style" or name.startswith("on") for name in attributes), path
            if tag == "script":
                assert attributes.get("src") or attributes.get("type") == "application/json"


def test_first_page_is_a_table_whose_rows_differ(built: Path, loaded: Site) -> None:
    table = table_of(loaded, loaded.blocks[0])
    told = [tuple(cell.text for cell in line.cells) for line in table.lines]
    assert len(told) == len(set(told)) > 5
    page = Page(built / "index.html")
    assert sum(tag == "tr" for tag, _ in page.tags) == 2 + len(table.lines) + 1 + len(table.apart)
    for line in (*table.lines, *table.apart):
        assert line.of.row.name in page.text


def test_the_heading_of_self_reports_is_there_for_other_blocks(
    board: Path, suites: Suites, tmp_path: Path
) -> None:
    """A script shows it where rows come under it; the first block may have none."""
    folder = read_board(board)
    for entries, hidden in (
        (folder.entries, False),
        ([one for one in folder.entries if one.submission.track != "self-reported"], True),
    ):
        site = load(replace(folder, entries=tuple(entries)), suites=suites)
        board_page.write(site, tmp_path)
        page = Page(tmp_path / "index.html")
        bodies = [attributes for tag, attributes in page.tags if tag == "tbody"]
        assert ["apart" in str(one.get("class")) for one in bodies] == [False, True, True]
        assert "hidden" not in bodies[2] and ("hidden" in bodies[1]) == hidden
        assert "they take no rank" in page.text


def test_first_page_is_small_with_two_hundred_submissions(
    board: Path, suites: Suites, tmp_path: Path
) -> None:
    folder = read_board(board)
    many = []
    for number in range(200):
        one, name = folder.entries[number % len(folder.entries)], f"editor-{number:03d}"
        form = replace(one.submission, id=name, name=f"An editor called {number}")
        many.append(replace(one, path=one.path.with_name(name), runs=one.runs[:1], submission=form))
    site = load(replace(folder, entries=tuple(many)), suites=suites)
    board_page.write(site, tmp_path)
    write_static(site, tmp_path)
    page = Page(tmp_path / "index.html")
    loads = [a.get("href") or a.get("src") for t, a in page.tags if t in ("link", "script")]
    files = [tmp_path / "index.html", *(tmp_path / one for one in loads if one and "data:" not in one)]
    assert sum(tag == "tr" for tag, _ in page.tags) == 2 + 200 + 1
    assert sum(path.stat().st_size for path in files) < FIRST_PAGE


def test_tables_have_captions_and_scopes(built: Path) -> None:
    for path in built.rglob("*.html"):
        tags = Page(path).tags
        tables = sum(tag == "table" for tag, _ in tags)
        captions = sum(tag == "caption" for tag, _ in tags)
        cards = sum(a.get("aria-label") == "Table of the card" for _, a in tags)
        assert captions == tables - cards
        assert all(a.get("scope") for tag, a in tags if tag == "th"), path


def test_script_data_and_json_say_the_same(built: Path, loaded: Site) -> None:
    for block in loaded.blocks:
        exact = json.loads((built / "data" / f"{block.slug}.json").read_text())
        text = (built / "data" / f"{block.slug}.js").read_text()
        found = re.fullmatch(r'mmeditData\("([^"]+)",(.*)\);\n', text, re.S)
        assert found and found[1] == block.slug and "<" not in text
        rounded = json.loads(found[2])
        assert [row["name"] for row in rounded["rows"]] == [row["name"] for row in exact["rows"]]
        for row, other in zip(rounded["rows"], exact["rows"], strict=True):
            for family, views in row["scores"].items():
                for key, cell in views["in"]["cells"].items():
                    assert cell == pytest.approx(other["scores"][family]["in"]["cells"][key], abs=1e-4)


def test_csv_has_every_view_and_no_formula(built: Path, loaded: Site) -> None:
    rows = list(csv.DictReader(io.StringIO((built / "data" / "board.csv").read_text())))
    shown = {(row["block"], row["scorer"], row["failed_edits"]) for row in rows}
    assert shown == {
        (block.slug, family, "out" if left_out else "in")
        for block in loaded.blocks
        for family, left_out in block.views
    }
    block = loaded.blocks[0]
    one = block.views["generation", False].rows[0]
    (mean,) = [
        row for row in rows
        if (row["block"], row["scorer"], row["failed_edits"], row["column"], row["fingerprint"])
        == (block.slug, "generation", "in", "mean", one.row.run.fingerprint)
    ]  # fmt: skip
    assert float(mean["value"]) == one.cells["mean"].value
    assert (mean["rank_best"], mean["rank_worst"]) == tuple(map(str, one.rank or ()))


def test_free_text_stays_text(tmp_path: Path) -> None:
    suites = Suites(6)
    board = write_board(tmp_path / "board", entries=6, edits=6, hostile=True, sequential=1, blind=1)
    out = build(board, tmp_path / "site", suites=suites)
    for path in out.rglob("*.html"):
        page = Page(path)
        assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.tags), path
        assert "49" not in re.findall(r"\$\{?(\d+)", page.text)
    assert HOSTILE in Page(out / "editors" / "editor-003.html").text
    for path in out.rglob("*.csv"):
        for line in csv.reader(io.StringIO(path.read_text())):
            assert not any(cell.startswith(("=", "+", "@")) for cell in line), path
    for path in out.rglob("*.tex"):
        assert r"\input" not in path.read_text()
    for path in (out / "data").rglob("*.js"):
        assert "<" not in path.read_text()


def test_a_folder_with_something_else_is_left_alone(board: Path, suites: Suites, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.txt").write_text("years of work")
    with pytest.raises(BenchError, match="something else than a site"):
        build(board, tmp_path / "site", suites=suites)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_link_stays_and_leads_to_the_new_site(tmp_path: Path) -> None:
    """As a server's folder is often reached: what is served is what has to be replaced."""
    (tmp_path / "board").mkdir()
    title = tmp_path / "board" / "board.yaml"
    served, link = tmp_path / "www" / "served", tmp_path / "site"
    link.symlink_to(Path("www") / "served")
    for name in ("First", "Second"):  # into nothing, and over a site
        title.write_text(f"title: {name}\n")
        assert build(tmp_path / "board", link) == link
        assert link.is_symlink() and name in Page(served / "index.html").text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board", "site", "www"]
    assert [path.name for path in served.parent.iterdir()] == ["served"]
    (served / MARK).unlink()
    with pytest.raises(BenchError, match="something else than a site"):
        build(tmp_path / "board", link)


def test_a_build_that_fails_leaves_the_old_site(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / MARK).touch()
    (out / "index.html").write_text("old")
    with pytest.raises(BadRecord, match=r"board\.yaml"):
        build(tmp_path / "nowhere", out)
    assert (out / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_no_torch(board: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from leaderboard.site.build import build;"
        "import leaderboard.site.publish, leaderboard.site.admission, leaderboard.site.beside;"
        f"build(Path({str(board)!r}), Path({str(tmp_path / 'site')!r}));"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_an_empty_board_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "board.yaml").write_text("title: Nothing yet\n")
    out = build(tmp_path / "board", tmp_path / "site")
    assert "No runs yet" in Page(out / "index.html").text
