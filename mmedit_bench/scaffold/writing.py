"""Folders written from templates, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from mmedit_bench.errors import BenchError, naming


def filled(template: str, words: Mapping[str, str]) -> str:
    """A template of this room with its words; a dollar sign of its own it writes twice."""
    text = files("mmedit_bench.scaffold").joinpath(template).read_text(encoding="utf-8")
    return Template(text).substitute(words)


def write_folder(place: Path, texts: Mapping[str, str]) -> None:
    """Write a new folder of texts by relative path.

    Raises `BenchError` if something of its name is there already, `Unusable` for what the system refuses.
    """
    if place.exists() or place.is_symlink():
        raise BenchError(f"{place} is there already and nothing is overwritten; choose another name or place")
    with naming(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            for name, text in texts.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_text(text, encoding="utf-8")
            made.chmod(0o755)
            made.rename(place)  # fails where a folder with something in it has come in between
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
