from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.site import releases
from leaderboard.site.exports import bibtex
from leaderboard.site.model import Site
from leaderboard.site.releases import FILES, freeze, named, read_releases
from mmedit_bench.errors import BadRecord, BenchError


@pytest.fixture
def site(loaded: Site, tmp_path: Path) -> Site:
    """The board's numbers, with a folder to release them in."""
    return replace(loaded, board=tmp_path / "board")


def test_a_release_is_written_once(site: Site) -> None:
    folder = freeze(named(site, "2026.1", "2026-11-30"))
    first = {name: (folder / name).read_bytes() for name in FILES}
    assert freeze(named(site, "2026.1", "2026-11-30")) == folder
    with pytest.raises(BenchError, match="never written again"):
        freeze(named(site, "2026.1", "2026-12-01"))
    with pytest.raises(BenchError, match="never written again"):
        freeze(named(replace(site, entries=site.entries[1:]), "2026.1", "2026-11-30"))
    assert {name: (folder / name).read_bytes() for name in FILES} == first


def test_an_interrupted_release_is_finished(site: Site) -> None:
    folder = freeze(named(site, "2026.1", "2026-11-30"))
    (folder / "board.json").unlink()
    freeze(named(site, "2026.1", "2026-11-30"))
    assert (folder / "board.json").exists()


def test_pages_of_a_release_outlive_the_board(site: Site, tmp_path: Path) -> None:
    freeze(named(site, "2026.1", "2026-11-30"))
    releases.write(site, tmp_path / "a")
    later = replace(
        site, head=replace(site.head, title="Another title", release="x", date="2027-01-01"), blocks=()
    )
    freeze(named(later, "2027.1", "2027-01-01"))
    releases.write(later, tmp_path / "b")
    page = "releases/2026.1/index.html"
    assert (tmp_path / "a" / page).read_bytes() == (tmp_path / "b" / page).read_bytes()
    for row in site.blocks[0].rows:
        assert row.name in (tmp_path / "b" / page).read_text()
    history = (tmp_path / "b" / "releases" / "index.html").read_text()
    assert history.index("2027.1") < history.index("2026.1")
    assert (tmp_path / "b" / "releases" / "2026.1" / "board.bib").read_text().count("2026-11-30") == 1


@pytest.mark.parametrize(("name", "date"), [("../x", "2026-11-30"), ("", "2026-11-30"), ("a", "30.11.2026")])
def test_names_and_days_that_are_none(site: Site, name: str, date: str) -> None:
    with pytest.raises(BenchError, match=r"cannot be called|is no day"):
        named(site, name, date)


def test_a_damaged_release_is_named(site: Site) -> None:
    folder = freeze(named(site, "2026.1", "2026-11-30"))
    (folder / "index.json").write_text("{}")
    with pytest.raises(BadRecord, match=r"2026\.1/index\.json cannot be read"):
        read_releases(site.board)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(BadRecord, match="is not there"):
        read_releases(site.board)


def test_bibtex_is_one_entry_whatever_the_title(site: Site) -> None:
    text = bibtex(replace(site.head, title="100 % {of} \\ it }", release="2026.1", date="2026-11-30"))
    assert text.count("{") == text.count("}") and text.startswith("@misc{mmedit-bench-2026-1,\n")
    assert r"100 \%" in text and "year = {2026}" in text
