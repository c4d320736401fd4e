"""What a sandboxed editor is shown of source trees: packages of the distributions that lie in them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import mmedit_bench
from mmedit_bench.errors import BenchError
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.view import View, view_of
from mmedit_bench.submissions.package import in_folder
from mmedit_bench.verification.barred import offered
from tests.distributions import write_metadata, write_metadata_of

ORDER = Order(suite="picturebook-vqa", backbone="blip2-opt-mini", editor="null")
STRANGE = Order(suite="picturebook-vqa", backbone="blip2-opt-mini", editor="strange")
PROJECT = """[project]
name = "The.Stranger"
version = "1"

[project.entry-points."mmedit_bench.editors"]
strange = "stranger.editor:Editor"

[project.entry-points."mmedit_bench.metrics"]
a = "board:x"
b = "runs.deep:x"
c = "docs:x"
d = "tests:x"
e = "loose:x"
"""


def shown_of(tree: Path, view: View) -> set[str]:
    """What lies in a tree and is shown, by its top-level names."""
    return {path.relative_to(tree).parts[0] for path in view.readable if path.is_relative_to(tree)}


def checkout(place: Path, monkeypatch: pytest.MonkeyPatch, project: str = "") -> Path:
    """A source tree of somebody else on Python's path, with a board and what else is nobody's business."""
    for name in ("board/baselines/a.jsonl.gz", "runs/deep/b", "docs/c", "tests/d", "stranger/e", "loose.py"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    (place / "pyproject.toml").write_text(project)
    monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
    return place


def package(place: Path) -> Path:
    """The sources of the stranger, who registers whatever may lie on this machine."""
    for name in ("stranger/__init__.py", "stranger/editor.py", "board/__init__.py", "secret/__init__.py"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    (place / "pyproject.toml").write_text(PROJECT)
    return place


def test_of_a_source_tree_the_needed_packages_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "theirs/__init__.py",
        "secret/__init__.py",
        "runs/predictions.jsonl",
        "theirs-1.dist-info/METADATA",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (tmp_path / "theirs-1.dist-info" / "entry_points.txt").write_text(
        "[mmedit_bench.editors]\ntheirs = theirs.editor:Editor\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    view = view_of(
        Order(suite="picturebook-vqa", backbone="blip2-opt-mini", editor="theirs"), tmp_path / "copies"
    )
    assert shown_of(tmp_path, view) == {"theirs", "theirs-1.dist-info"}


@pytest.mark.parametrize(
    "project",
    [
        "",
        "[project",
        "[project]\nname = 5\nentry-points = [1]\n",
        PROJECT.replace("The.Stranger", "the-host"),
        PROJECT.replace("stranger.editor", "host.editor"),
    ],
    ids=["none", "no TOML", "of other types", "of another name", "without the entry"],
)
def test_a_distribution_does_not_have_another_tree_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: str
) -> None:
    """A submission registers modules of every name: it is shown its own, and nobody's board."""
    tree, sources = checkout(tmp_path / "tree", monkeypatch, project), package(tmp_path / "sources")
    with offered(in_folder(sources), tmp_path / "metadata"):
        view = view_of(STRANGE, tmp_path / "copies")
    assert shown_of(sources, view) == {"stranger", "board"}
    assert shown_of(tree, view) == set()
    here = Path(mmedit_bench.__file__).parents[1]
    assert not {"docs", "tests", "board"} & shown_of(here, view)


def test_of_an_installed_distribution_no_other_tree_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pip install --target` leaves it, and first on the path at that."""
    tree = checkout(tmp_path / "tree", monkeypatch)
    write_metadata_of(package(tmp_path / "target"), tmp_path / "target")
    monkeypatch.syspath_prepend(tmp_path / "target")
    view = view_of(STRANGE, tmp_path / "copies")
    assert shown_of(tree, view) == set()
    assert shown_of(tmp_path / "target", view) == {"stranger", "board", "The.Stranger-1.dist-info"}


def test_what_was_installed_in_place_is_shown_from_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metadata lies elsewhere, and its modules in a folder of the project that registers it."""
    sources, site = tmp_path / "project" / "src", tmp_path / "installed"
    package(sources)
    (sources / "pyproject.toml").rename(sources.parent / "pyproject.toml")
    write_metadata(site, "the_stranger", "1", {"mmedit_bench.editors": {"strange": "stranger.editor:Editor"}})
    monkeypatch.setattr(sys, "path", [str(site), *sys.path, str(sources)])
    assert shown_of(sources, view_of(STRANGE, tmp_path / "copies")) == {"stranger"}


def test_a_shadowed_copy_of_the_package_shows_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "mmedit_bench/datasets/picturebook/picturebook.parquet"
    others = [tmp_path / place / name for place in ("older", "site-packages")]
    for other in others:
        other.parent.mkdir(parents=True)
        other.write_bytes(b"all splits")
    monkeypatch.setattr(sys, "path", [*sys.path, *(str(other.parents[3]) for other in others)])
    view = view_of(ORDER, tmp_path / "copies")
    copies = {view.instead[path] for path in view.instead if path.name == "picturebook.parquet"}
    assert shown_of(tmp_path / "older", view) == set()
    assert others[1] in view.instead
    assert len(copies) == 1


def test_a_linked_package_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = package(tmp_path / "tree")
    shutil.rmtree(tree / "board")
    (tree / "board").symlink_to(tmp_path)
    with offered(in_folder(tree), tmp_path / "metadata"), pytest.raises(BenchError, match="board is a link"):
        view_of(STRANGE, tmp_path / "copies")


def test_a_suite_that_does_not_say_what_is_secret_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "mute-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mute\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[mmedit_bench.suites]\nmute = mute:Suite\n")
    monkeypatch.syspath_prepend(tmp_path)
    order = Order(suite="mute", backbone="blip2-opt-mini", editor="null")
    with pytest.raises(BenchError, match=r"mute offers a suite, but no data set .* for_editors\(folder\)"):
        view_of(order, tmp_path / "copies")
