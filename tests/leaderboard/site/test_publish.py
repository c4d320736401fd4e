from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from leaderboard.site.build import MARK, NO_JEKYLL
from leaderboard.site.publish import to_branch, to_folder
from mmedit_bench.errors import BadRecord, BenchError


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A site of three files, one of which git would ignore."""
    out = tmp_path / "site"
    (out / "data").mkdir(parents=True)
    for name in (MARK, NO_JEKYLL, ".gitignore"):
        (out / name).write_text("*.csv\n" if name == ".gitignore" else "")
    (out / "index.html").write_text("<p>\r\n")
    (out / "data" / "board.csv").write_text("a,b\n")
    return out


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, and a file that is not committed."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.org")
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "code.py").write_text("x = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "draft.txt").write_text("not yet")
    return folder


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_branch_holds_the_site_and_nothing_else(small: Path, repository: Path) -> None:
    before = git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD")
    done = to_branch(small, "gh-pages", repository, "Publish")
    assert done.changed and done.commit == git(repository, "rev-parse", "gh-pages")
    files = git(repository, "ls-tree", "-r", "--name-only", "gh-pages").splitlines()
    assert files == [".gitignore", MARK, NO_JEKYLL, "data/board.csv", "index.html"]
    kept = subprocess.run(
        ["git", "show", "gh-pages:index.html"], cwd=repository, check=True, capture_output=True
    ).stdout
    assert kept == b"<p>\r\n"
    assert (git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD")) == before
    assert (repository / "code.py").exists()


def test_a_branch_moves_forward_and_only_for_news(small: Path, repository: Path) -> None:
    first = to_branch(small, "gh-pages", repository, "Publish")
    again = to_branch(small, "gh-pages", repository, "Publish")
    assert (again.changed, again.commit) == (False, first.commit)
    (small / "data" / "board.csv").unlink()
    second = to_branch(small, "gh-pages", repository, "Publish")
    assert second.changed and git(repository, "rev-parse", "gh-pages^") == first.commit
    assert "board.csv" not in git(repository, "ls-tree", "-r", "--name-only", "gh-pages")


def test_a_branch_that_is_checked_out_is_left_alone(small: Path, repository: Path) -> None:
    with pytest.raises(BenchError, match="main is checked out"):
        to_branch(small, "main", repository, "Publish")


def test_a_name_that_is_none_and_a_folder_without_repository(
    small: Path, repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match="check-ref-format"):
        to_branch(small, "a..b", repository, "Publish")
    with pytest.raises(BenchError, match=r"rev-parse.*not a git repository"):
        to_branch(small, "gh-pages", tmp_path, "Publish")


def test_what_is_no_site_is_not_published(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="no built site"):
        to_branch(repository, "gh-pages", repository, "Publish")
    with pytest.raises(BadRecord, match="no built site"):
        to_folder(repository, tmp_path / "docs")


def test_a_folder_is_a_copy_that_is_replaced_whole(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "docs"
    to_folder(small, out)
    (small / "index.html").write_text("new")
    (small / "data" / "board.csv").unlink()
    to_folder(small, out)
    assert (out / "index.html").read_text() == "new" and not (out / "data" / "board.csv").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "site"]


def test_a_link_stays_and_where_it_leads_is_replaced(small: Path, tmp_path: Path) -> None:
    served, link = tmp_path / "www" / "served", tmp_path / "docs"
    served.mkdir(parents=True)
    link.symlink_to(served)
    assert to_folder(small, link).place == str(link)
    (small / "index.html").write_text("new")
    to_folder(small, link)
    assert link.is_symlink() and (served / "index.html").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "site", "www"]
    assert [path.name for path in served.parent.iterdir()] == ["served"]


def test_a_folder_with_something_else_is_left_alone(small: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "thesis.txt").touch()
    with pytest.raises(BenchError, match="something else"):
        to_folder(small, tmp_path / "docs")
    with pytest.raises(BenchError, match="inside the site"):
        to_folder(small, small / "docs")
