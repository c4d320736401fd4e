"""The package that `new-editor` writes works as it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError, Unusable
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.scaffold.package import write_package
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submissions.package import in_folder, visible
from tests.distributions import write_metadata_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package("gentle-push", tmp_path / "made", author="Ada Someone", contact="@ada")


def test_its_own_test_passes(package: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package)]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_it_is_found_once_installed_and_edits(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_metadata_of(package, tmp_path / "site")
    monkeypatch.syspath_prepend(package)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "gentle_push_editor", raising=False)
    assert EDITORS.entry("gentle-push").source == "gentle-push-editor 0.1.0"
    order = Order(suite="picturebook-vqa", backbone="blip2-opt-mini", editor="gentle-push", limit=2)
    result = Workshop().run(order, tmp_path / "runs")
    assert (result.selection.kept, result.failed) == (2, 0)
    del sys.modules["gentle_push_editor"]


def test_without_an_installation_its_folder_does(package: Path, tmp_path: Path) -> None:
    found = in_folder(package)
    assert (found.editor, found.distribution, found.version) == ("gentle-push", "gentle-push-editor", "0.1.0")
    assert sorted(found.sources) == [
        "card.md",
        "gentle_push_editor.py",
        "pyproject.toml",
        "submission.yaml",
        "tests/test_gentle_push_editor.py",
    ]
    with visible(found, tmp_path / "metadata"):
        assert EDITORS.entry("gentle-push").source == "gentle-push-editor 0.1.0"
    assert "gentle-push" not in EDITORS.names()


def test_its_draft_lacks_only_what_a_run_tells(package: Path) -> None:
    text = (package / "submission.yaml").read_text()
    _, problems = Submission.parse(text)
    assert {one.where.partition("#")[2] for one in problems} == {"version", "date", "hyper_parameters"}
    given = {"version": "0.1.0", "date": "2026-01-31", "hyper_parameters": {}}
    found, _ = Submission.parse(text, given=given)
    assert found and (found.id, found.authors, found.contact) == ("gentle-push", ("Ada Someone",), "@ada")


@pytest.mark.parametrize("author", ['A "B" C', "a: b # c", "Ångström\\", "'", "{}", "*x", "&x"])
def test_any_author_stays_who_he_is(author: str, tmp_path: Path) -> None:
    text = (write_package("some", tmp_path, author=author, contact="@a") / "submission.yaml").read_text()
    given = {"version": "0.1.0", "date": "2026-01-31", "hyper_parameters": {}}
    found, problems = Submission.parse(text, given=given)
    assert found and found.authors == (author,), problems


def test_an_author_that_nobody_named_is_left_to_be_filled_in(tmp_path: Path) -> None:
    _, problems = Submission.parse((write_package("some", tmp_path) / "submission.yaml").read_text())
    assert {one.where.partition("#")[2] for one in problems if one.code == "placeholder"} == {
        "authors", "contact",
    }  # fmt: skip


@pytest.mark.parametrize("taken", ["file", "folder", "link"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    place = tmp_path / "demo"
    if taken == "file":
        place.write_text("mine")
    elif taken == "folder":
        place.mkdir()
    else:
        place.symlink_to("nowhere")
    with pytest.raises(BenchError, match="nothing is overwritten"):
        write_package("demo", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Demo",
        "a_b",
        "-a",
        "a-",
        "a--b",
        "../a",
        "a/b",
        "1a",
        "ä",
        "a" * 41,
        "class",
        "editor",
        "a b",
        "a\n",
    ],
)
def test_names_that_no_editor_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError, match=r"choose another name|is no name"):
        write_package(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"'ft' is registered by mmedit-bench"):
        write_package("ft", tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="file"):
        write_package("demo", tmp_path / "file")
