"""Digests of code and values of settings: what counts, what does not, and that the place does not matter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import methods
import mmedit_bench
from mmedit_bench.errors import BadData
from mmedit_bench.plugins.settings import LAYERS, checked, option, settings_for
from mmedit_bench.runs.provenance import code_digest, differing, library_version, resolved

FILES = {
    "__init__.py": "",
    "core.py": 'SHARED = 1\n"""What is shared."""\n__version__ = "1"\n',
    "unused.py": "",
    "typing_only.py": "",
    "methods/__init__.py": "",
    "methods/common.txt": "words\n",
    "methods/one/__init__.py": "",
    "methods/one/editor.py": (
        '"""An editor."""\n'
        "from typing import TYPE_CHECKING\nimport json\nfrom ... import core\n"
        "from mmedit_bench.editors import option\n"
        "if TYPE_CHECKING:\n    from shelf.typing_only import X\n"
        "class Settings:\n"
        '    """Its settings."""\n'
        '    lr: float = option(0.5, "the rate", above=0)\n'
        "def late(x):\n"
        '    """Late."""\n'
        "    from shelf.late import thing\n"
        "    return x + thing  # added\n"
        "def empty():\n    pass\n"
    ),
    "methods/one/table.npz": "numbers\n",
    "methods/one/tables/more.csv": "1,2\n",
    "methods/one/README.md": "words\n",
    "methods/one/config/mini.yaml": "lr: 1\n",
    "methods/one/config/as-printed/mini.yaml": "lr: 1\n",
    "methods/one/config/search-mini.json": "{}\n",
    "methods/one/config/weights.bin": "numbers\n",
    "methods/one/search-other.json": "{}\n",
    "methods/one/ladders-mini.yaml": "lr: [1, 2]\n",
    "methods/one/table.json": "{}\n",
    "methods/two/__init__.py": "",
    "methods/two/editor.py": "import shelf.core\n",
    "methods/two/table.npz": "numbers\n",
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
    ("name", "counts"),
    [
        ("methods/one/editor.py", True),
        ("methods/one/__init__.py", True),
        ("methods/__init__.py", True),
        ("__init__.py", True),
        ("core.py", True),
        ("late.py", True),
        ("methods/common.txt", True),
        ("methods/one/table.npz", True),
        ("methods/one/table.json", True),
        ("methods/one/tables/more.csv", True),
        ("methods/one/config/weights.bin", True),
        ("methods/one/config/mini.yaml", False),
        ("methods/one/config/as-printed/mini.yaml", False),
        ("methods/one/config/search-mini.json", False),
        ("methods/one/search-other.json", False),
        ("methods/one/ladders-mini.yaml", False),
        ("methods/one/README.md", False),
        ("methods/two/editor.py", False),
        ("methods/two/table.npz", False),
        ("unused.py", False),
        ("typing_only.py", False),
    ],
)
def test_what_counts(shelf: Path, name: str, counts: bool) -> None:
    before = code_digest(EDITOR)
    (shelf / name).write_text((shelf / name).read_text() + "CHANGED = 1\n")
    assert (code_digest(EDITOR) != before) == counts


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("methods/one/editor.py", '"""An editor."""\n', '"""The editor."""\n'),
        ("methods/one/editor.py", '"""An editor."""\n', ""),
        ("methods/one/editor.py", "Its settings", "All that can be set"),
        ("methods/one/editor.py", '    """Late."""\n', ""),
        ("methods/one/editor.py", "  # added", ""),
        ("methods/one/editor.py", "return x + thing", "return (\n        x\n        + thing\n    )"),
        ("methods/one/editor.py", "def late(x):", "def late(\n    x,\n):"),
        ("methods/one/editor.py", "    pass", '    """Empty."""'),
        ("methods/one/editor.py", "the rate", "the learning rate"),
        ("core.py", "What is shared", "What both share"),
        ("core.py", '__version__ = "1"', '__version__ = "2"'),
        ("core.py", '__version__ = "1"', '__version__: str = "2"'),
        ("core.py", "SHARED = 1", "SHARED = 0x1"),
    ],
)
def test_words_and_layout_do_not_count(shelf: Path, name: str, old: str, new: str) -> None:
    before = code_digest(EDITOR)
    change(shelf / name, old, new)
    assert code_digest(EDITOR) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("core.py", "SHARED = 1", "SHARED = 2"),
        ("core.py", "SHARED = 1", "SHARED = 1.0"),
        ("core.py", "SHARED = 1", "SHARED = None"),
        ("core.py", "SHARED = 1", "SHARED = '1'"),
        ("methods/one/editor.py", "x + thing", "x - thing"),
        ("methods/one/editor.py", "x + thing", "thing + x"),
        ("methods/one/editor.py", "return x + thing", "return"),
        ("methods/one/editor.py", "return x + thing", "return 'words'"),
        ("methods/one/editor.py", "def late(x)", "def late(x=None)"),
        ("methods/one/editor.py", "def late(x)", "async def late(x)"),
        ("methods/one/editor.py", "option(0.5", "option(0.25"),
        ("methods/one/editor.py", "above=0", "low=0"),
        # without that import it is a function of the plugin's own, whose words may matter
        ("methods/one/editor.py", "from mmedit_bench.editors import option\n", ""),
    ],
)
def test_whatever_runs_counts(shelf: Path, name: str, old: str, new: str) -> None:
    before = code_digest(EDITOR)
    change(shelf / name, old, new)
    assert code_digest(EDITOR) != before


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_the_words_of_a_strange_option_count(shelf: Path) -> None:
    change(
        shelf / "methods/one/editor.py", "from mmedit_bench.editors import option", "from os import option"
    )
    before = code_digest(EDITOR)
    change(shelf / "methods/one/editor.py", "the rate", "another rate")
    assert code_digest(EDITOR) != before


def test_new_files_and_caches(shelf: Path) -> None:
    before = code_digest(EDITOR)
    cache = shelf / "methods/one/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "editor.cpython-311.pyc").write_bytes(b"x")
    (shelf / "methods/one/.DS_Store").write_bytes(b"x")
    assert code_digest(EDITOR) == before
    (shelf / "methods/one/memory.safetensors").write_bytes(b"x")
    assert code_digest(EDITOR) != before


def test_the_place_and_the_order_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path / "here", monkeypatch)
    here = code_digest(EDITOR, "shelf.late")
    planted(tmp_path / "there", monkeypatch)
    assert code_digest("shelf.late", EDITOR) == here


def test_a_single_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lonely_editor.py").write_text("x = 1\n")
    (tmp_path / "neighbour.txt").write_text("x")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_digest("lonely_editor")
    (tmp_path / "neighbour.txt").write_text("y")
    assert code_digest("lonely_editor") == before
    (tmp_path / "lonely_editor.py").write_text("x = 2\n")
    assert code_digest("lonely_editor") != before


@pytest.mark.parametrize("module", ["sys", "no_such_module_anywhere", "no_such_package.module"])
def test_no_source_is_an_error(module: str) -> None:
    with pytest.raises(BadData, match=module):
        code_digest(module)


# ---- this package itself, copied

ASK = """
from mmedit_bench.runs.provenance import code_digest
print(*map(code_digest, ("methods.ft.editor", "methods.mend.editor", "mmedit_bench.editors")))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("house")
    heavy = shutil.ignore_patterns("checkpoints", "*.parquet", "__pycache__", "picturebook")
    for package in (mmedit_bench, methods):
        folder = Path(package.__path__[0])
        shutil.copytree(folder, site / folder.name, ignore=heavy)
    return site


def digests(house: Path) -> list[str]:
    """Of ft, mend and the interface, in a process that has the copy for its package."""
    code = f"import sys; sys.path.insert(0, {str(house)!r}){ASK}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=house)
    found = done.stdout.split()
    assert len(found) == 3
    return found


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("mmedit_bench/errors.py", "Base of all errors", "Root of all errors", [False] * 3),
        ("mmedit_bench/__init__.py", '__version__ = "', '__version__ = "9', [False] * 3),
        ("mmedit_bench/backbones/base.py", "if batch_size < 1:", "if batch_size < 2:", [True] * 3),
        ("mmedit_bench/backbones/anatomy.py", '("fc1", "fc2")', '("fc2", "fc1")', [True] * 3),
        ("methods/ft/config/blip2-opt-mini.yaml", "layer: -1", "layer: -2", [False] * 3),
        ("methods/descent.py", "step", "stride", [True, False, False]),
        ("methods/lessons.py", "before[:1]", "before[:2]", [False, True, False]),
        ("mmedit_bench/cli/run.py", "SOME_FAILED = 3", "SOME_FAILED = 4", [False] * 3),
    ],
)
def test_the_real_package(house: Path, name: str, old: str, new: str, changed: list[bool]) -> None:
    before, path = digests(house), house / name
    text = path.read_text()
    assert old in text
    try:
        path.write_text(text.replace(old, new))
        assert [one != other for one, other in zip(before, digests(house), strict=True)] == changed
    finally:
        path.write_text(text)


# ---- settings


@dataclass(frozen=True)
class Knobs:
    """Two of them."""

    lr: float = option(0.5, "rate", above=0)
    layers: int = option(3, "how many", low=1, high=LAYERS)


class Declared:
    """An editor that declares its options, with files per backbone."""

    name = "declared"
    settings_type = Knobs
    settings_folder: Path

    def __init__(self, **options: Any) -> None:
        self.options = checked(Knobs, options, self.name)

    def settings(self, backbone: Any) -> Knobs:
        return settings_for(Knobs, self.settings_folder, backbone, self.options, self.name)


class Plain:
    """An editor that declares nothing."""

    name = "plain"

    def __init__(self, lr: float = 0.5, **others: Any) -> None:
        self.lr = lr


class Mini:
    """As much of a backbone as bounds look at."""

    name = "mini"
    layer_count = 2


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mini.yaml").write_text("lr: 0.25\n")
    monkeypatch.setattr(Declared, "settings_folder", tmp_path, raising=False)
    return tmp_path


def test_resolved_settings_are_those_after_files_and_options(files: Path) -> None:
    assert resolved(Declared(), Mini()) == {"lr": 0.25, "layers": 2}
    assert resolved(Declared(lr="2e-3", layers=1), Mini()) == {"lr": 0.002, "layers": 1}
    (files / "mini.yaml").unlink()
    (files / "other.yaml").write_text("lr: 7\n")
    assert resolved(Declared(), Mini()) == {"lr": 0.5, "layers": 2}


def test_without_a_declaration_the_options_given_are_resolved() -> None:
    assert resolved(Plain(lr=3), Mini(), {"lr": 3}) == {"lr": 3}
    assert resolved(Plain(), Mini()) == {}


@pytest.mark.parametrize("editor", [Declared, Declared()])
def test_only_what_differs_names_a_row(files: Path, editor: Any) -> None:
    given = {"lr": "0.25", "layers": 1}
    assert differing(editor, Mini(), given) == {"layers": 1}
    assert differing(editor, "mini", given) == {"layers": 1}
    assert differing(editor, "other", given) == {"lr": 0.25, "layers": 1}
    assert differing(editor, Mini(), {"layers": 2}) == {}  # the default fits itself to the backbone
    assert differing(editor, "mini", {"gone": 1, "lr": -1}) == {"gone": 1, "lr": -1}


def test_without_a_declaration_the_signature_is_the_default() -> None:
    assert differing(Plain, "mini", {"lr": 0.5, "word": "x"}) == {"word": "x"}
    assert differing(Plain(), "mini", {"lr": 0.4}) == {"lr": 0.4}


def test_library_versions() -> None:
    assert library_version("pytest") == pytest.__version__
    assert library_version("no-such-distribution") == "absent"
