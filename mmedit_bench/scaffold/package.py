"""A new editor's package: an editor that works, its test, its card and the draft of its submission."""

from __future__ import annotations

import json
import keyword
import re
from pathlib import Path

from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.scaffold.writing import filled, write_folder

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
    targets = {
        "pyproject.toml": "pyproject.toml",
        f"{module}.py": "module.py",
        f"tests/test_{module}.py": "test.py",
        "card.md": "card.md",
        "submission.yaml": "submission.yaml",
    }
    write_folder(place, {to: filled(f"editor/{own}.txt", words) for to, own in targets.items()})
    return place


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
