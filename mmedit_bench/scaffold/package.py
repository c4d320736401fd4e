"""A new editor's package: an editor that works, its test, its card and the draft of its submission."""

from __future__ import annotations

import json
import keyword
import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from mmedit_bench.errors import BenchError, naming
from mmedit_bench.plugins.registry import EDITORS

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_MOST_NAME = 40
UNKNOWN = "TODO"
"""What stands in the draft for something that nobody said; `submit` refuses it."""


def write_package(name: str, out: Path, *, author: str = UNKNOWN, contact: str = UNKNOWN) -> Path:
    """Write the package of an editor `name` into the new folder `out`/`name`, whole or not at all.

    Raises `BenchError` for a name that no editor can have or another one has, and for a folder that is
    there already.
    """
    _check(name)
    place = out / name
    if place.exists() or place.is_symlink():
        raise BenchError(f"{place} is there already and nothing is overwritten; choose another name or --out")
    stem = name if name.endswith("-editor") else f"{name}-editor"
    module = stem.replace("-", "_")
    words = {
        "name": name,
        "title": " ".join(part.capitalize() for part in name.split("-")),
        "distribution": stem,
        "module": module,
        "class_name": "".join(part.capitalize() for part in stem.split("-")),
        "author": json.dumps(author, ensure_ascii=False),  # quoted, as YAML reads it too
        "contact": json.dumps(contact, ensure_ascii=False),
    }
    with naming(place):
        out.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=out))
        try:
            for target, template in {
                "pyproject.toml": "pyproject.toml",
                f"{module}.py": "module.py",
                f"tests/test_{module}.py": "test.py",
                "card.md": "card.md",
                "submission.yaml": "submission.yaml",
            }.items():
                path = made / target
                path.parent.mkdir(exist_ok=True)
                path.write_text(_filled(f"editor/{template}.txt", words), encoding="utf-8")
            made.chmod(0o755)
            made.rename(place)  # fails where a folder with something in it has come in between
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return place


def _filled(template: str, words: Mapping[str, str]) -> str:
    text = files("mmedit_bench.scaffold").joinpath(template).read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _MOST_NAME:
        raise BenchError(
            f"{name!r} is no name for an editor; use at most {_MOST_NAME} lower-case letters and digits, a "
            "letter first, with single hyphens between"
        )
    if keyword.iskeyword(name) or name in ("editor", "test", "tests"):
        raise BenchError(f"{name!r} means something else; choose another name")
    if name in EDITORS.names():
        entry = EDITORS.entry(name)
        raise BenchError(f"editor {name!r} is registered by {entry.source} already; choose another name")
