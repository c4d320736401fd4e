"""A name that a spreadsheet would carry out."""

from __future__ import annotations

import json
from pathlib import Path

NAME = '=HYPERLINK("https://example.com","ours")'


def spoil(folder: Path) -> None:
    path = folder / "submission.yaml"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join(f"name: {json.dumps(NAME)}" if line.startswith("name:") else line for line in lines) + "\n"
    )
