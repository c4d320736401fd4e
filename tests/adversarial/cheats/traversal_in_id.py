"""Calls itself by a path that leads out of every folder."""

from __future__ import annotations

from pathlib import Path


def spoil(folder: Path) -> None:
    path = folder / "submission.yaml"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join("id: ../../outside" if line.startswith("id:") else line for line in lines) + "\n"
    )
