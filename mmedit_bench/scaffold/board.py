"""A repository of results: an empty board, and the jobs that check what is handed in and publish it."""

from __future__ import annotations

import json
from pathlib import Path

from mmedit_bench import __version__
from mmedit_bench.errors import BenchError
from mmedit_bench.scaffold.writing import filled, write_folder

_TARGETS = {
    ".github/workflows/check.yml": "check.yml",
    ".github/workflows/publish.yml": "publish.yml",
    ".github/check.py": "check.py",
    ".github/pull_request_template.md": "pull_request_template.md",
    ".gitattributes": "gitattributes",
    ".gitignore": "gitignore",
    "README.md": "README.md",
    "board.yaml": "board.yaml",
    "requirements.txt": "requirements.txt",
}
_KEPT = ("submissions", "entries", "baselines", "releases")
"""Folders that are empty at first, which git does not keep by themselves."""


def write_board(place: Path, title: str) -> None:
    """Write the new folder `place`. Raises `BenchError` if it is there, or for a title of several lines."""
    if not title.strip() or not title.isprintable() or len(title) > 100:
        raise BenchError("--title: use a line of 1 to 100 characters")
    words = {"version": __version__}
    texts = {
        target: filled(
            f"results_repository/{template}.txt",
            # in YAML as JSON quotes it, in Markdown as it is
            words | {"title": json.dumps(title, ensure_ascii=False) if target.endswith(".yaml") else title},
        )
        for target, template in _TARGETS.items()
    }
    write_folder(place, texts | {f"{name}/.gitkeep": "" for name in _KEPT})
