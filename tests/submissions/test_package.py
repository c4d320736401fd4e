"""Packages are found by what they say of themselves, and nothing of them is imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.submissions.package import in_folder, installed, visible

PROJECT = """
[project]
name = "acme"
version = "1.2"
[project.entry-points."mmedit_bench.editors"]
acme = "acme_tools.deep:Editor"
[project.entry-points."mmedit_bench.readers"]
acme = "acme_tools.deep:Reader"
[project.entry-points."console_scripts"]
acme = "acme_tools:main"
"""


def written(folder: Path, project: str = PROJECT, root: str = "src") -> Path:
    package = folder / root / "acme_tools"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(project)
    for name in ("__init__.py", "deep.py"):
        (package / name).write_text("raise SystemExit('imported')\n")
    return folder


@pytest.mark.parametrize("root", ["src", "."])
def test_a_package_of_several_modules_is_found(tmp_path: Path, root: str) -> None:
    folder = written(tmp_path / "acme", root=root)
    package = in_folder(folder)
    assert package.root == (folder / root if root == "src" else folder)
    with visible(package, tmp_path / "metadata"):
        assert EDITORS.entry("acme").source == "acme 1.2"
        assert sys.path[:2] == [str(tmp_path / "metadata"), str((folder / root).resolve())]
    assert "acme" not in EDITORS.names()
    assert str(tmp_path / "metadata") not in sys.path
    assert "acme_tools" not in sys.modules


def test_what_is_no_source_is_left_out(tmp_path: Path) -> None:
    folder = written(tmp_path / "acme")
    for name in (".git/config", "runs/a.json", "own/acme/submission.yaml", "build/x.py", "venv/pyvenv.cfg",
                 "venv/y.py", "acme.egg-info/z.txt", ".hidden.py", "weights.pt", "LICENSE"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    package = in_folder(folder, apart=(folder / "own",))
    assert sorted(package.sources) == [
        "LICENSE", "pyproject.toml", "src/acme_tools/__init__.py", "src/acme_tools/deep.py",
    ]  # fmt: skip
    assert package.left_out == ("weights.pt",)


def test_the_digest_follows_the_sources(tmp_path: Path) -> None:
    folder = written(tmp_path / "acme")
    before = in_folder(folder).sha256
    assert in_folder(folder).sha256 == before
    (folder / "src/acme_tools/deep.py").write_text("changed = True\n")
    assert in_folder(folder).sha256 != before


@pytest.mark.parametrize(
    ("project", "fault"),
    [
        ("[project", "not TOML"),
        ("x = 1", r"no table \[project\]"),
        ("[project]\nversion = '1'", "project.name"),
        ("[project]\nname = '../a'\nversion = '1'", "project.name"),
        ("[project]\nname = 'a'\nversion = '1'", "registers no editor"),
        (PROJECT.replace('version = "1.2"', ""), "project.version"),
        (PROJECT.replace('version = "1.2"', 'dynamic = ["version"]'), "made by an installer"),
        (PROJECT.replace('version = "1.2"', 'version = "a b"'), "project.version"),
        (PROJECT.replace("deep:Editor", "deep"), "module:Class"),
        (
            PROJECT.replace('acme = "acme_tools.deep:Editor"', '"a\\nb" = "acme_tools.deep:Editor"'),
            "module:Class",
        ),
        (
            PROJECT.replace("acme_tools.deep:Editor", "elsewhere:Editor"),
            "neither in the folder nor below src",
        ),
        (
            PROJECT.replace('acme = "acme_tools.deep:Editor"', 'a = "acme_tools:A"\nb = "acme_tools:B"'),
            "--editor",
        ),
    ],
)
def test_what_is_wrong_with_a_project_is_named(tmp_path: Path, project: str, fault: str) -> None:
    with pytest.raises(BenchError, match=fault):
        in_folder(written(tmp_path / "acme", project))


def test_one_of_several_is_chosen(tmp_path: Path) -> None:
    several = PROJECT.replace('acme = "acme_tools.deep:Editor"', 'a = "acme_tools:A"\nb = "acme_tools:B"')
    folder = written(tmp_path / "acme", several)
    assert in_folder(folder, "b").editor == "b"
    with pytest.raises(BenchError, match="registers no editor 'c'; it registers a, b"):
        in_folder(folder, "c")


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no pyproject\.toml"):
        in_folder(tmp_path)


@pytest.mark.parametrize("odd", ["link", "name"])
def test_sources_are_files_with_plain_names(tmp_path: Path, odd: str) -> None:
    folder = written(tmp_path / "acme")
    if odd == "link":
        (folder / "secret.py").symlink_to("/etc/passwd")
    else:
        (folder / "two words.py").write_text("")
    with pytest.raises(BenchError, match="cannot be submitted"):
        in_folder(folder)


@pytest.mark.parametrize("name", ["ft", "mmedit-bench"])
def test_an_installed_editor_is_found_by_its_name_or_its_distributions(name: str) -> None:
    package = installed(name, None if name == "ft" else "ft")
    assert (package.editor, package.distribution, package.root) == ("ft", "mmedit-bench", None)
    assert {"methods/ft/editor.py", "pyproject.toml"} <= package.sources.keys()


def test_what_is_not_installed_is_refused() -> None:
    with pytest.raises(BenchError, match="neither a folder nor an installed"):
        installed("nobody-has-this")
    with pytest.raises(BenchError, match="registers no editor"):
        installed("click")
