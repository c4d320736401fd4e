"""A stranger's package is found, and never imported here."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.submissions.package import in_folder
from mmedit_bench.verification.barred import offered

PROJECT = """[project]
name = "a-stranger"
version = "1.0"

[project.entry-points."mmedit_bench.editors"]
a-strange-editor = "a_strange_module:Editor"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "package"
    place.mkdir()
    (place / "pyproject.toml").write_text(PROJECT)
    for name in ("a_strange_module.py", "colorsys.py"):
        (place / name).write_text("raise SystemExit('I was run')\n")
    return place


def test_its_editor_is_known_and_its_code_is_not_run(folder: Path, tmp_path: Path) -> None:
    path, finders = list(sys.path), list(sys.meta_path)
    with offered(in_folder(folder), tmp_path / "metadata"):
        assert EDITORS.entry("a-strange-editor").source == "a-stranger 1.0"
        spec = importlib.util.find_spec("a_strange_module")
        assert spec is not None and spec.origin == str(folder / "a_strange_module.py")
        with pytest.raises(ImportError, match="belongs to a submission"):
            importlib.import_module("a_strange_module")
        sys.modules.pop("colorsys", None)
        assert "package" not in str(importlib.import_module("colorsys").__file__)  # the library's own
        assert importlib.util.find_spec("no_such_module_at_all") is None
        assert sys.path[: len(path)] == path  # behind all that is installed, also for the editor's process
    assert (sys.path, sys.meta_path) == (path, finders)
    assert "a-strange-editor" not in EDITORS.names()
