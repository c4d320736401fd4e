"""Digests of source: what counts, what does not, and that the place does not matter."""

import sys
from pathlib import Path

import pytest

from mmedit_bench.errors import BadData
from mmedit_bench.runs.provenance import library_version, source_digest

FILES = {
    "__init__.py": "",
    "core.py": "SHARED = 1\n",
    "unused.py": "",
    "typing_only.py": "",
    "methods/__init__.py": "",
    "methods/one/__init__.py": "",
    "methods/one/editor.py": (
        "from typing import TYPE_CHECKING\nimport json\nfrom ... import core\n"
        "if TYPE_CHECKING:\n    from shelf.typing_only import X\n"
        "def late():\n    from shelf.late import thing\n"
    ),
    "methods/one/config.yaml": "lr: 1\n",
    "methods/one/README.md": "words\n",
    "methods/two/__init__.py": "",
    "methods/two/editor.py": "import shelf.core\n",
    "late.py": "import os\nthing = 1\n",
}
EDITOR = "shelf.methods.one.editor"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return planted(tmp_path / "site", monkeypatch)


def planted(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = site / "shelf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in [name for name in sys.modules if name.partition(".")[0] == "shelf"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(site)
    return site / "shelf"


@pytest.mark.parametrize(
    ("name", "alone", "with_folder"),
    [
        ("methods/one/editor.py", True, True),
        ("methods/one/__init__.py", True, True),
        ("methods/__init__.py", True, True),
        ("__init__.py", True, True),
        ("core.py", True, True),
        ("late.py", True, True),
        ("methods/one/config.yaml", False, True),
        ("methods/one/README.md", False, False),
        ("methods/two/editor.py", False, False),
        ("unused.py", False, False),
        ("typing_only.py", False, False),
    ],
)
def test_what_counts(shelf: Path, name: str, alone: bool, with_folder: bool) -> None:
    before = source_digest(EDITOR), source_digest(EDITOR, folder=True)
    (shelf / name).write_text((shelf / name).read_text() + "# changed\n")
    after = source_digest(EDITOR), source_digest(EDITOR, folder=True)
    assert (before[0] != after[0], before[1] != after[1]) == (alone, with_folder)


def test_new_files_and_caches(shelf: Path) -> None:
    before = source_digest(EDITOR, folder=True)
    cache = shelf / "methods/one/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "editor.cpython-311.pyc").write_bytes(b"x")
    (shelf / "methods/one/.DS_Store").write_bytes(b"x")
    assert source_digest(EDITOR, folder=True) == before
    (shelf / "methods/one/memory.safetensors").write_bytes(b"x")
    assert source_digest(EDITOR, folder=True) != before


def test_the_place_and_the_order_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path / "here", monkeypatch)
    here = source_digest(EDITOR, "shelf.late")
    planted(tmp_path / "there", monkeypatch)
    assert source_digest("shelf.late", EDITOR) == here


def test_a_single_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lonely_editor.py").write_text("x = 1\n")
    (tmp_path / "neighbour.txt").write_text("x")
    monkeypatch.syspath_prepend(tmp_path)
    before = source_digest("lonely_editor", folder=True)
    (tmp_path / "neighbour.txt").write_text("y")
    assert source_digest("lonely_editor", folder=True) == before
    (tmp_path / "lonely_editor.py").write_text("x = 2\n")
    assert source_digest("lonely_editor", folder=True) != before


@pytest.mark.parametrize("module", ["sys", "no_such_module_anywhere", "no_such_package.module"])
def test_no_source_is_an_error(module: str) -> None:
    with pytest.raises(BadData, match=module):
        source_digest(module)


def test_library_versions() -> None:
    assert library_version("pytest") == pytest.__version__
    assert library_version("no-such-distribution") == "absent"
