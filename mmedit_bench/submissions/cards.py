"""The card of an editor: which file of its package it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.runs.files import read_regular
from mmedit_bench.submissions.board_folder import MOST_CARD
from mmedit_bench.submissions.limits import MOST_FILE
from mmedit_bench.submissions.package import GROUP, EditorPackage, in_folder

NAMES = ("card.md", "README.md")
"""What a card may be called, the surer one first."""


def packed_card(package: EditorPackage) -> str | None:
    """The card among a package's source files, cut to what a board takes of one; None without one.

    It lies beside the editor's module, or in the project's folder where no other editor can be meant.
    """
    points = package.groups.get(GROUP, {})
    folders = points.get(package.editor, "").partition(":")[0].split(".")[:-1]
    places = [f"{root}{'/'.join(folders)}/" for root in ("", "src/")] if folders else []
    for place in [*places, *([""] if len(points) == 1 else [])]:
        for name in NAMES:
            if (source := package.sources.get(place + name)) is not None:
                data = source if isinstance(source, bytes) else read_regular(source, MOST_FILE)
                return _cut(data)
    return None


def card_of(package: EditorPackage) -> str | None:
    """The card of a package, in a folder of its own or installed."""
    own = packed_card(package)
    return own if own is not None or package.root is not None else installed_card(package.editor)


def installed_card(editor: str) -> str | None:
    """The card of an installed editor; its own module is not imported."""
    if editor not in EDITORS.names():
        return None
    value = EDITORS.entry(editor).value
    package = value.partition(":")[0].rpartition(".")[0]
    if not package:
        return _of_project(editor, value)
    found = importlib.util.find_spec(package)
    for place in (found.submodule_search_locations or []) if found else []:
        for name in NAMES:
            path = Path(place) / name
            if path.is_file():
                return _cut(read_regular(path, MOST_FILE))
    return None


def _of_project(editor: str, value: str) -> str | None:
    """The card of the project whose one editor is a module by itself, where that is still to be seen.

    Beside a module that was copied to where all modules lie there is none: whatever card lies there is
    of something else.
    """
    for folder in _projects(value.partition(":")[0]):
        try:
            package = in_folder(folder, editor)
        except BenchError:
            continue
        if package.groups[GROUP] == {editor: value}:
            return packed_card(package)
    return None


def _projects(module: str) -> Iterator[Path]:
    """Folders with a pyproject.toml that a module without a package may be of."""
    found = importlib.util.find_spec(module)
    if found is None or not found.origin or found.submodule_search_locations:
        return
    folder = Path(found.origin).parent
    for place in (folder, *([folder.parent] if folder.name == "src" else [])):
        if (place / "pyproject.toml").is_file():
            yield place


def _cut(data: bytes) -> str:
    """As text that a board takes: whole characters, none of them null."""
    text = data.decode("utf-8", "replace").replace("\0", "")
    return text.encode("utf-8")[:MOST_CARD].decode("utf-8", "ignore")
